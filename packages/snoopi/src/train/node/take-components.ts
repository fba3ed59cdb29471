import { cp } from "node:fs/promises";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { isThere } from "./folder.ts";

/** The components that a model takes unchanged from the one that it is trained from: all but the network and its scheduler. */
const components = ["text_encoder", "tokenizer", "vae", "clip", "feature_extractor"];

/** Takes a component from one model to another. @throws SnoopiError when it cannot. */
export type Take = (from: string, to: string) => Promise<void>;

/** Gives the model in folder `out` the components of another that exist. */
export async function takeComponents(model: string, out: string, take: Take = copying("go on with --resume")): Promise<void> {
  for (const name of components) {
    const from = join(model, name);
    if (isThere(from)) await take(from, join(out, name));
  }
}

/** Takes copies. `then` is how to go on when one cannot be made. */
export const copying =
  (then: string): Take =>
  (from, to) =>
    cp(from, to, { recursive: true, dereference: true }).catch((error: Error) => {
      throw new SnoopiError(`${to}: it cannot be copied from ${from}, ${error.message}. Make room and ${then}.`, { cause: error });
    });
