import { checkOptions, SnoopiError } from "@snoopi/core";
import { type Folder, namesInside } from "../checkpoint/folder.ts";
import type { ByteSource } from "../checkpoint/source.ts";
import { patient } from "./patience.ts";
import { ask, type HubOptions, usualPatience, whole } from "./request.ts";
import { commitOf, filesAt, type HubFile } from "./tree.ts";

/** A model's repository on a hub, at one commit. */
export interface HubFolder extends Folder {
  readonly commit: string;
  /** By their paths. */
  readonly files: ReadonlyMap<string, HubFile>;
  /** The bytes of a file from `start` up to, not including, `end`, as they arrive. It fails when none arrive within `patience`. */
  stream(path: string, range?: { readonly start?: number; readonly end?: number }): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/**
 * A model on the Hugging Face Hub as a folder: only what is asked for is read, tensor by tensor. The revision is resolved once, to the
 * commit it names now.
 *
 * @throws SnoopiError for an invalid name, a model that does not exist or may not be read, and a hub that cannot be reached.
 */
export async function hubFolder(repo: string, options: HubOptions = {}): Promise<HubFolder> {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(repo) || repo.includes("..") || repo.split("/").includes("."))
    throw new SnoopiError(`${JSON.stringify(repo)} is no model's name on a hub. Give OWNER/NAME.`);
  const { endpoint = "https://huggingface.co", patience = usualPatience } = checkOptions("hubFolder", options, optionNames);
  const base = baseOf(endpoint);
  const api = `${base}/api/models/${repo}`;
  const commit = await commitOf(repo, api, options);
  const files = await filesAt(repo, `${api}/tree/${commit}`, options);

  const known = (path: string): HubFile => {
    const found = files.get(path);
    if (found) return found;
    throw new SnoopiError(`${repo}/${path}: there is no such file.`);
  };
  async function stream(path: string, { start = 0, end = known(path).size }: { start?: number; end?: number } = {}) {
    const { size } = known(path);
    const url = `${base}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
    if (start === end) return new Blob([]).stream();
    const part = start > 0 || end < size;
    const { status, headers, body } = await ask(repo, url, options, part ? { range: `bytes=${start}-${end - 1}` } : {});
    const range = headers.get("content-range") ?? "";
    // Some servers that compress send the whole file: it serves a range that reaches the end, once its start is skipped.
    const skipped = status === 206 ? 0 : start;
    const fits = status === 206 ? part && (range === "" || range.startsWith(`bytes ${start}-`)) : end === size;
    if (body && fits) return patient(body, patience, skipped);
    await body?.cancel();
    throw new SnoopiError(
      `${repo}/${path}: the server sends ${status === 206 ? range || "a part" : "the whole file"} where bytes ${start}-${end - 1} were asked for. Try another endpoint.`,
    );
  }
  async function bytes(path: string, { start = 0, end = known(path).size } = {}): Promise<ArrayBuffer> {
    return whole(`${repo}/${path}`, options, async () => {
      const read = await new Response(await stream(path, { start, end })).arrayBuffer();
      if (read.byteLength !== end - start) throw new Error(`${read.byteLength} of ${end - start} bytes came`);
      return read;
    });
  }
  return {
    name: repo,
    commit,
    files,
    stream,
    list: async (path) => namesInside(files.keys(), path),
    text: async (path) => new TextDecoder().decode(await bytes(path)),
    open: async (path): Promise<ByteSource> => {
      const { size } = known(path);
      return { size, read: async (start, end) => new Uint8Array(await bytes(path, { start, end })) };
    },
  };
}

const optionNames = { revision: true, endpoint: true, token: true, signal: true, fetch: true, patience: true } as const;

/** @throws SnoopiError for what cannot be an address, such as one without `https://`. */
function baseOf(endpoint: string): string {
  const base = endpoint.trim().replace(/\/+$/, "");
  if (/^https?:\/\/[^?#]+$/.test(base) && URL.canParse(base)) return base;
  throw new SnoopiError(`${JSON.stringify(endpoint)} is no hub's address. Give one such as https://huggingface.co.`);
}
