import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SnoopiError } from "@snoopi/core";
import type { Folder } from "../checkpoint/folder.ts";
import { nodeFolder } from "../checkpoint/node-folder.ts";
import { reason } from "../checkpoint/node-source.ts";
import { type SingleFile, type SingleFileOptions, singleFileFolder } from "./single-file.ts";

/**
 * A model on disk as a folder: a diffusers folder itself, or a checkpoint in a single safetensors file, to which `options` apply.
 *
 * @throws SnoopiError if nothing is there, and for other files, saying what they are.
 */
export async function modelFolder(path: string, options: SingleFileOptions = {}): Promise<Folder> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new SnoopiError(`${path}: ${reason(error)}.`);
  });
  return found.isDirectory() ? nodeFolder(path) : singleFile(path, options);
}

/** A checkpoint in a single safetensors file on disk, as {@link singleFileFolder} reads it. */
export const singleFile = (path: string, options: SingleFileOptions = {}): Promise<SingleFile> =>
  singleFileFolder(nodeFolder(dirname(path)), basename(path), options);
