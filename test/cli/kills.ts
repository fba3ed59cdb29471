import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { openSafetensors } from "@snoopi/models";
import { fileSource } from "@snoopi/models/node";
import { expect } from "vitest";
import type { start } from "./command.ts";

// A run that is killed again and again. Without a look at its checkpoints in between, one that lost them all would end with the right bits too:
// it would only have begun anew.

/** The steps that a folder's checkpoint has, 0 where there is none. @throws for one that is not whole. */
export async function stepOf(folder: string): Promise<number> {
  const path = join(folder, "checkpoint.safetensors");
  if (!existsSync(path)) return 0;
  const file = await openSafetensors(await fileSource(path), path);
  try {
    for (const name of file.entries.keys()) await file.read(name);
    return JSON.parse(file.metadata.get("snoopi.training")!).step;
  } finally {
    await file.close();
  }
}

export interface Killing {
  readonly kills: number;
  /** Milliseconds from a run's first line after which it is killed at the latest: as a share of the whole, or all kills come before its first step. */
  readonly within: number;
  /** Whose checkpoints are looked at after each kill: none may go back. */
  readonly folders: readonly string[];
}

/**
 * Starts a run and kills it at a random moment, `kills` times over; how many of these fell between the steps of a training. A machine may have
 * slowed down since the whole was timed: where none fell between steps there are more kills, later ones.
 */
export async function killedAgain(run: () => ReturnType<typeof start>, { kills, within, folders }: Killing): Promise<number> {
  let between = 0;
  for (let i = 0; i < kills || (between === 0 && i < 3 * kills); i++) {
    const before = await Promise.all(folders.map(stepOf));
    const { child, ended } = run();
    // Every fifth from its start.
    if (i % 5 !== 4) await Promise.race([once(child.stderr!, "data"), ended]);
    await setTimeout(within * 4 ** Math.floor(i / kills) * Math.random());
    child.kill("SIGKILL");
    await ended;
    const after = await Promise.all(folders.map(stepOf));
    for (const [at, step] of after.entries()) expect(step, folders[at]).toBeGreaterThanOrEqual(before[at]);
    if (after.some((step, at) => step > before[at])) between++;
  }
  return between;
}
