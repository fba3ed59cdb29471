import { SnoopiError } from "@snoopi/core";
import type { Folder } from "../checkpoint/folder.ts";
import type { ByteSource } from "../checkpoint/source.ts";
import { ask, type HubOptions } from "./request.ts";

/** A file of a repository. */
export interface HubFile {
  readonly size: number;
  /** What its bytes are known by: SHA-256 of a large file, git's own SHA-1 (of a header and the bytes) of a small one. */
  readonly digest: { readonly by: "sha256" | "git"; readonly hex: string };
}

/** A model's repository on a hub, at one commit. */
export interface HubFolder extends Folder {
  readonly commit: string;
  /** By their paths. */
  readonly files: ReadonlyMap<string, HubFile>;
  /** The bytes of a file from `start` on, up to and not including `end`, as they come. */
  stream(path: string, range?: { readonly start?: number; readonly end?: number }): Promise<ReadableStream<Uint8Array>>;
}

interface TreeEntry {
  readonly type: string;
  readonly path: string;
  readonly size: number;
  readonly oid: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/**
 * A model on the Hugging Face Hub as a folder: nothing is read of it but what is asked for, tensor by tensor. The revision is fixed to the commit
 * that it is now.
 *
 * @throws SnoopiError for a name that is none, a model that is not there or may not be read, and a hub that cannot be reached.
 */
export async function hubFolder(repo: string, options: HubOptions = {}): Promise<HubFolder> {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(repo) || repo.includes(".."))
    throw new SnoopiError(`${JSON.stringify(repo)} is no model's name on a hub. Give OWNER/NAME.`);
  const { revision = "main", endpoint = "https://huggingface.co" } = options;
  const base = endpoint.replace(/\/+$/, "");
  const api = `${base}/api/models/${repo}`;
  const { sha: commit } = (await (await ask(repo, `${api}/revision/${encodeURIComponent(revision)}`, options)).json()) as { sha: string };
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new SnoopiError(`${repo}: ${base} names the commit ${JSON.stringify(commit)}, which is none.`);
  const files = new Map<string, HubFile>();
  for (let query: string | undefined = "?recursive=true"; query !== undefined; ) {
    const page: Response = await ask(repo, `${api}/tree/${commit}${query}`, options);
    for (const entry of (await page.json()) as TreeEntry[]) if (entry.type === "file") files.set(checked(repo, entry.path), fileOf(entry));
    query = restOf(page);
  }

  const known = (path: string): HubFile => {
    const found = files.get(path);
    if (found) return found;
    throw new SnoopiError(`${repo}/${path}: there is no such file.`);
  };
  async function stream(path: string, { start = 0, end = known(path).size }: { start?: number; end?: number } = {}) {
    const { size } = known(path);
    if (start === end) return new Blob([]).stream();
    const part = start > 0 || end < size;
    const url = `${base}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
    const response = await ask(repo, url, options, part ? { range: `bytes=${start}-${end - 1}` } : {});
    if (part && response.status !== 206) {
      await response.body?.cancel();
      throw new SnoopiError(`${repo}/${path}: the server sends whole files only. Try again, or another endpoint.`);
    }
    return response.body!;
  }
  /** All bytes of a range, in another try where a connection breaks. */
  async function bytes(path: string, range: { start?: number; end?: number } = {}): Promise<ArrayBuffer> {
    for (let tries = 1; ; tries++) {
      try {
        return await new Response(await stream(path, range)).arrayBuffer();
      } catch (error) {
        if (error instanceof SnoopiError || options.signal?.aborted) throw error;
        if (tries === 3) throw new SnoopiError(`${repo}/${path}: the connection breaks off, ${(error as Error).message}. Try again later.`);
      }
    }
  }
  return {
    name: repo,
    commit,
    files,
    stream,
    list: async (path = "") => {
      const prefix = path === "" ? "" : `${path}/`;
      const inside = [...files.keys()].filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length));
      return inside.filter((file) => !file.includes("/"));
    },
    text: async (path) => new TextDecoder().decode(await bytes(path)),
    open: async (path): Promise<ByteSource> => {
      const { size } = known(path);
      return { size, read: async (start, end) => new Uint8Array(await bytes(path, { start, end })) };
    },
  };
}

const fileOf = ({ size, oid, lfs }: TreeEntry): HubFile =>
  lfs ? { size: lfs.size, digest: { by: "sha256", hex: lfs.oid } } : { size, digest: { by: "git", hex: oid } };

/** The query for the rest of a list. A mirror passes on links to the hub that it mirrors, of which the query alone is true of it. */
function restOf(page: Response): string | undefined {
  const next = /<([^>]+)>;\s*rel="next"/.exec(page.headers.get("link") ?? "")?.[1];
  return next === undefined ? undefined : new URL(next, "https://hub").search;
}

/** @throws SnoopiError for a path that would leave the folder which a file is written to. */
function checked(repo: string, path: string): string {
  const parts = path.split("/");
  if (parts.every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part))) return path;
  throw new SnoopiError(`${repo}: it names the file ${JSON.stringify(path)}, which is no path inside it.`);
}
