import { SnoopiError } from "@snoopi/core";
import { type ByteSource, blobSource } from "./source.ts";

/** A folder wherever it lies: on disk, behind a URL, in a browser's storage. Paths are relative, with `/`. */
export interface Folder {
  /** Shown in errors. */
  readonly name: string;
  /** Names of the files directly inside `path` ("" is the folder itself); empty when there is no such folder. */
  list(path?: string): Promise<string[]>;
  text(path: string): Promise<string>;
  open(path: string): Promise<ByteSource>;
}

/** The folder inside `folder` at `path`. */
export function subfolder(folder: Folder, path: string): Folder {
  const inside = (name: string) => (name === "" ? path : `${path}/${name}`);
  return {
    name: `${folder.name}/${path}`,
    list: (name = "") => folder.list(inside(name)),
    text: (name) => folder.text(inside(name)),
    open: (name) => folder.open(inside(name)),
  };
}

/** Given all paths in a folder, the names of those directly inside `path`. */
export function namesInside(paths: Iterable<string>, path = ""): string[] {
  const prefix = path === "" ? "" : `${path}/`;
  const inside = [...paths].filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length));
  return inside.filter((file) => !file.includes("/"));
}

/** A folder over files in memory or picked in a browser: paths to bytes. */
export function filesFolder(files: ReadonlyMap<string, Blob>, name = "files"): Folder {
  const get = (path: string) => {
    const blob = files.get(path);
    if (blob === undefined) throw new SnoopiError(`${name}/${path}: there is no such file.`);
    return blob;
  };
  return {
    name,
    list: async (path) => namesInside(files.keys(), path),
    text: async (path) => get(path).text(),
    open: async (path) => blobSource(get(path)),
  };
}

export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (json: unknown): json is JsonObject => typeof json === "object" && json !== null && !Array.isArray(json);

/** Reads a JSON file that holds an object. */
export async function readJson(folder: Folder, path: string): Promise<JsonObject> {
  const text = await folder.text(path);
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new SnoopiError(`${folder.name}/${path}: this is not JSON (${(error as Error).message}).`);
  }
  if (isJsonObject(json)) return json;
  throw new SnoopiError(`${folder.name}/${path}: this is not a JSON object.`);
}
