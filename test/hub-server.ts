import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, sep } from "node:path";
import { gzipSync } from "node:zlib";

// A local model hub that answers like the real one, as far as it is asked: https://huggingface.co/docs/hub/api.

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface Hub extends AsyncDisposable {
  readonly endpoint: string;
  /** Path, range and token of each request, in the order of the requests. */
  readonly asked: { readonly host: "hub" | "storage"; readonly path: string; readonly range?: string; readonly token?: string }[];
  /** What goes wrong, by the path of a file. */
  readonly faults: Map<string, Fault>;
}

export interface Fault {
  /** Breaks connections off after this many bytes, `times` times. */
  breakAfter?: number;
  times?: number;
  /** Sends nothing after this many bytes, without ending the connection. */
  stallAfter?: number;
  /** Sends bytes that are not those of the file. */
  wrong?: boolean;
  /** Answers with this status in place of the file, once. */
  status?: number;
  /** Answers this many requests for a part with the whole file. */
  whole?: number;
  /** Ends answers after this many bytes as if that were all, `times` times. */
  endAfter?: number;
}

interface Options {
  readonly repo: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly token?: string;
}

/** All files of a folder, by their paths in it. */
export const filesOf = (folder: string): Map<string, Uint8Array> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1).replaceAll(sep, "/"), readFileSync(path)]),
  );

const large = (path: string) => path.endsWith(".safetensors");
const hex = (by: string, bytes: Uint8Array, head = "") => createHash(by).update(head).update(bytes).digest("hex");

/**
 * Serves one repository. As on the real hub, large files are on another server; small ones are behind a path of the hub, and compressed if
 * that is asked for. Lists have three files a page.
 */
export async function serveHub({ repo, files, token }: Options): Promise<Hub> {
  const asked: Hub["asked"] = [];
  const faults: Hub["faults"] = new Map();
  const storage = await listening((request, response) => send(request, response, note("storage", request)), false);
  const hub = await listening(answer);

  function note(host: "hub" | "storage", { url = "", headers: { range, authorization } }: IncomingMessage): string {
    const path = decodeURIComponent(new URL(url, "http://x").pathname).slice(1);
    asked.push({ host, path, ...(range && { range }), ...(authorization && { token: authorization.replace("Bearer ", "") }) });
    return path;
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = note("hub", request);
    const fail = (status: number, code: string) => {
      response.writeHead(status, { "x-error-code": code }).end();
    };
    const [api, resolve] = [`api/models/${repo}/`, `${repo}/resolve/${commit}/`];
    const file = path.startsWith(resolve) ? path.slice(resolve.length) : undefined;
    const cache = `api/resolve-cache/models/${repo}/${commit}/`;
    const closed = token !== undefined && request.headers.authorization !== `Bearer ${token}`;
    if ([`${api}revision/main`, `${api}revision/v1`].includes(path)) response.end(JSON.stringify({ sha: commit }));
    else if (path.startsWith(`${api}revision/`)) fail(404, "RevisionNotFound");
    else if (path === `${api}tree/${commit}`) tree(request, response);
    else if (path.startsWith(cache)) send(request, response, path.slice(cache.length));
    else if (file === undefined) fail(401, "RepoNotFound");
    else if (closed) fail(401, "GatedRepo");
    else if (!files.has(file)) fail(404, "EntryNotFound");
    else if (large(file)) response.writeHead(302, { location: `${storage.origin}/${encodeURIComponent(file)}` }).end();
    else response.writeHead(307, { location: `/${cache}${encodeURIComponent(file)}?etag=%22x%22` }).end();
  }

  function tree(request: IncomingMessage, response: ServerResponse): void {
    const at = Number(new URL(request.url!, "http://x").searchParams.get("cursor") ?? 0);
    const entries = [...files].slice(at, at + 3).map(([path, bytes]) => ({
      ...{ type: "file", path, size: bytes.length, oid: hex("sha1", bytes, `blob ${bytes.length}\0`) },
      ...(large(path) && { oid: "pointer", size: bytes.length, lfs: { oid: hex("sha256", bytes), size: bytes.length, pointerSize: 130 } }),
    }));
    // As on a mirror: the link points to the original.
    const rest = `<https://huggingface.co/api/models/${repo}/tree/${commit}?recursive=true&cursor=${at + 3}>; rel="next"`;
    if (at + 3 < files.size) response.setHeader("link", rest);
    response.end(JSON.stringify([...entries, { type: "directory", path: `folder-${at}`, oid: "tree", size: 0 }]));
  }

  function send({ headers }: IncomingMessage, response: ServerResponse, path: string): void {
    const fault = faults.get(path) ?? {};
    if (fault.status !== undefined) {
      response.writeHead(fault.status).end();
      delete fault.status;
      return;
    }
    const all = files.get(path)!;
    const asked = headers.range && !(fault.whole && fault.whole-- > 0) ? headers.range : undefined;
    const [, from = "0", to = String(all.length - 1)] = /bytes=(\d+)-(\d+)/.exec(asked ?? "") ?? [];
    const bytes = Buffer.from(all.subarray(Number(from), Number(to) + 1));
    if (fault.wrong) bytes[0] ^= 1;
    if (!large(path) && headers["accept-encoding"]?.includes("gzip")) {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(files.get(path)!));
      return;
    }
    response.writeHead(asked ? 206 : 200, {
      ...(fault.endAfter === undefined && { "content-length": bytes.length }),
      ...(asked && { "content-range": `bytes ${from}-${to}/${all.length}` }),
    });
    if (fault.endAfter !== undefined && fault.times) {
      fault.times--;
      response.end(bytes.subarray(0, fault.endAfter));
    } else if (fault.stallAfter !== undefined) {
      response.write(bytes.subarray(0, fault.stallAfter));
    } else if (fault.breakAfter !== undefined && fault.times) {
      fault.times--;
      response.write(bytes.subarray(0, fault.breakAfter), () => response.destroy());
    } else {
      response.end(bytes);
    }
  }

  return {
    endpoint: hub.origin,
    asked,
    faults,
    async [Symbol.asyncDispose]() {
      for (const { server } of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/** Open to pages of other origins, as the real one is. */
const cors = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization",
  "access-control-expose-headers": "link, x-error-code, x-error-message, content-range",
};

/** Only the hub answers the preflight of a request that is not simple. A request for a single range is simple. */
async function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  preflights = true,
): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (request.method === "OPTIONS") response.writeHead(preflights ? 204 : 403).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
