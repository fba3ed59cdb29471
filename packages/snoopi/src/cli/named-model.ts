import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { SnoopiError } from "@snoopi/core";
import { isThere } from "../train/node/folder.ts";

/** Names of the models that ship with the command → their names in @snoopi/tiny. */
export const shippedModels = { tiny: "student", "tiny-teacher": "teacher" } as const;

export type ShippedName = keyof typeof shippedModels;

/** A model that a command was given. */
export interface NamedModel {
  /** A diffusers folder, or a checkpoint in a single file. */
  readonly path: string;
  /** Its name in reports and pictures: that of the folder or file itself, never its path. */
  readonly name: string;
}

const isShipped = (word: string): word is ShippedName => Object.hasOwn(shippedModels, word);

/**
 * The model that a word of the command line means: a name of `shippedModels`, else a folder or a file. A folder of such a name is given as
 * `./tiny`, so that a command means the same wherever it is typed.
 *
 * @throws SnoopiError for a path that does not exist or cannot be read, and for a shipped model that is not installed.
 */
export async function namedModel(word: string, { shipped: folders = shippedFolders, there = isThere } = {}): Promise<NamedModel> {
  if (!isShipped(word)) {
    if (!there(word)) throw new SnoopiError(`${word}: there is no such file or folder.${hintOf(word)}`);
    return { path: word, name: basename(resolve(word)) };
  }
  const part = shippedModels[word];
  const shipped = await folders();
  const folder = shipped[part];
  if (isPipeline(folder)) return { path: folder, name: `@snoopi/tiny/${part}` };
  const others = Object.entries(shippedModels).flatMap(([name, one]) => (isPipeline(shipped[one]) ? [`--model ${name}`] : []));
  const instead = ["a diffusers folder with --model DIR", ...others].join(", or ");
  throw new SnoopiError(`${word}: @snoopi/tiny holds no ${part} here, there is no ${join(folder, "model_index.json")}. Give ${instead}.`);
}

/**
 * The folder of the model that a word means, for commands that need more of it than pictures do.
 *
 * @throws SnoopiError as {@link namedModel}, and for a single file.
 */
export async function namedFolder(word: string, command: string): Promise<string> {
  const { path } = await namedModel(word);
  if ((await stat(path)).isDirectory()) return path;
  throw new SnoopiError(`${word}: this is a file, and ${command} needs a model's folder. Make one: snoopi convert ${word} --out DIR.`);
}

/** Imported only when such a name is given, so that all else works without the package. */
async function shippedFolders(): Promise<Readonly<Record<"student" | "teacher", string>>> {
  const { student, teacher } = await import("@snoopi/tiny").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new SnoopiError("tiny: the package @snoopi/tiny, which holds it, is not installed. Install it, or give --model DIR.");
  });
  return { student: fileURLToPath(student), teacher: fileURLToPath(teacher) };
}

/** A hint for a word that may be a name on the Hugging Face Hub. */
const hintOf = (word: string): string =>
  /^\w[\w.-]*\/[\w.-]+$/.test(word) ? ` If it is a model of the Hugging Face Hub, bring it with snoopi download ${word}.` : "";

/** model_index.json is what makes a folder a pipeline. */
const isPipeline = (folder: string): boolean => isThere(join(folder, "model_index.json"));
