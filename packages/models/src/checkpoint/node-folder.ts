import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import type { Folder } from "./folder.ts";
import { fileSource, reason } from "./node-source.ts";

/** A folder on disk. Symbolic links are followed: the hub's cache consists of them. */
export function nodeFolder(path: string): Folder {
  const inside = (name: string) => {
    if (name.split(/[/\\]/).includes("..")) throw new SnoopiError(`${path}: "${name}" points outside of the folder.`);
    return join(path, name);
  };
  return {
    name: path.length > 1 ? path.replace(/[/\\]+$/, "") : path,
    async list(name = "") {
      const at = inside(name);
      try {
        const names = (await readdir(at)).sort();
        const kinds = await Promise.all(names.map((file) => stat(join(at, file)).catch(() => undefined)));
        return names.filter((_, i) => kinds[i]?.isFile());
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (name !== "" && (code === "ENOENT" || code === "ENOTDIR")) return [];
        throw new SnoopiError(`${at}: ${reason(error as NodeJS.ErrnoException)}.`);
      }
    },
    text: (name) =>
      readFile(inside(name), "utf8").catch((error: NodeJS.ErrnoException) => {
        throw new SnoopiError(`${inside(name)}: ${reason(error)}.`);
      }),
    open: (name) => fileSource(inside(name)),
  };
}
