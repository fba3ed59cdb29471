import { SnoopiError } from "@snoopi/core";
import { isJsonObject, type JsonObject } from "../checkpoint/folder.ts";
import { patient } from "./patience.ts";
import { ask, type HubOptions, usualPatience, whole } from "./request.ts";

/** A file of a repository. */
export interface HubFile {
  readonly size: number;
  /** Digest of its bytes: SHA-256 for a large file, git's own SHA-1 (of a header and the bytes) for a small one. */
  readonly digest: { readonly by: "sha256" | "git"; readonly hex: string };
}

/** Pages of a thousand files; a longer list is taken for endless. */
const mostPages = 1000;

/** The commit that a revision names now. `api` is the repository's URL in the API. */
export async function commitOf(repo: string, api: string, options: HubOptions): Promise<string> {
  const { json } = await askJson(repo, `${api}/revision/${encodeURIComponent(options.revision ?? "main")}`, options);
  const commit = isJsonObject(json) ? json.sha : json;
  if (typeof commit === "string" && /^[0-9a-f]{40}$/.test(commit)) return commit;
  throw new SnoopiError(`${repo}: ${new URL(api).host} names the commit ${JSON.stringify(commit)}, which is none.`);
}

/**
 * The files of a commit by their paths. Those whose names are not allowed on every file system are left out.
 * @throws SnoopiError for a path that would lead outside the folder a file is written to, and for an answer that is not a list of files.
 */
export async function filesAt(repo: string, tree: string, options: HubOptions): Promise<Map<string, HubFile>> {
  const files = new Map<string, HubFile>();
  const { host } = new URL(tree);
  const asked = new Set<string>();
  for (let query: string | undefined = "?recursive=true"; query !== undefined; ) {
    if (asked.has(query) || asked.size === mostPages) throw new SnoopiError(`${repo}: the list of files at ${host} does not end.`);
    asked.add(query);
    const page: { json: unknown; link: string } = await askJson(repo, tree + query, options);
    if (!Array.isArray(page.json)) throw new SnoopiError(`${repo}: what ${host} answers is no list of files.`);
    for (const entry of page.json) {
      if (!isJsonObject(entry) || typeof entry.path !== "string")
        throw new SnoopiError(`${repo}: ${host} names the file ${JSON.stringify(entry)}, which is none.`);
      if (entry.type === "file" && isOrdinary(repo, entry.path)) files.set(entry.path, fileOf(repo, entry));
    }
    query = restOf(page.link);
  }
  return files;
}

async function askJson(repo: string, url: string, options: HubOptions): Promise<{ json: unknown; link: string }> {
  const { text, link } = await whole(repo, options, async () => {
    const { body, headers } = await ask(repo, url, options);
    const text = body ? await new Response(patient(body, options.patience ?? usualPatience)).text() : "";
    return { text, link: headers.get("link") ?? "" };
  });
  try {
    return { json: JSON.parse(text), link };
  } catch {
    const start = JSON.stringify(text.slice(0, 40));
    throw new SnoopiError(
      `${repo}: ${new URL(url).host} answers ${start}, which no hub does. Look whether a network asks for a login, or give another endpoint.`,
    );
  }
}

/** The query for the next page of a list. A mirror passes on the links of the hub it mirrors: only their query is valid at the mirror. */
function restOf(link: string): string | undefined {
  const next = /<([^>]+)>;\s*rel="next"/.exec(link)?.[1];
  return next === undefined ? undefined : new URL(next, "https://hub").search;
}

function isOrdinary(repo: string, path: string): boolean {
  const parts = path.split(/[/\\]/);
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    throw new SnoopiError(`${repo}: it names the file ${JSON.stringify(path)}, which is no path inside it.`);
  return !/[\\:]|\p{Cc}/u.test(path);
}

function fileOf(repo: string, { path, size, oid, lfs }: JsonObject): HubFile {
  const [by, its] = isJsonObject(lfs) ? (["sha256", lfs] as const) : (["git", { size, oid }] as const);
  if (Number.isSafeInteger(its.size) && (its.size as number) >= 0 && typeof its.oid === "string")
    return { size: its.size as number, digest: { by, hex: its.oid } };
  throw new SnoopiError(`${repo}/${path}: its size ${its.size} and digest ${its.oid} are none.`);
}
