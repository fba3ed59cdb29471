import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { openOutput } from "../../cli/output.ts";
import { differences } from "../../train/schema.ts";
import type { Features } from "../features.ts";
import type { Moments } from "../moments.ts";
import type { CellState } from "../table/evaluate.ts";

/** JSON in a file, or undefined where there is none. */
export async function readState(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new SnoopiError(`${path}: it cannot be read, ${error.message}.`);
  });
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SnoopiError(`${path}: this is not JSON (${(error as Error).message}). Remove it to measure that part again.`);
  }
}

/** Writes a file whole or not at all. */
export async function writeState(path: string, json: unknown): Promise<void> {
  await (await openOutput(path)).write(new TextEncoder().encode(`${JSON.stringify(json)}\n`));
}

/** A cell's state from its file, if there is one: `identity` is all that its pictures and figures depend on. */
export async function readCell(folder: string, name: string, identity: unknown): Promise<CellState | undefined> {
  const path = join(folder, `${name}.json`);
  const found = (await readState(path)) as { identity?: unknown; state?: PackedState } | undefined;
  if (found === undefined) return undefined;
  if (!found.identity || !found.state) throw new SnoopiError(`${path}: it is no state of snoopi eval. Remove it, or give another --out.`);
  // What JSON cannot say, such as undefined, is not in the file.
  const different = differences(found.identity, JSON.parse(JSON.stringify(identity)), ["cell.pictures"]);
  if (different.length > 0) {
    throw new SnoopiError(`${path}: it is of another evaluation: ${different.join("; ")}. Evaluate as before, or give another --out.`);
  }
  return unpack(found.state);
}

export const writeCell = (folder: string, name: string, { identity, state }: { identity: unknown; state: CellState }): Promise<void> =>
  writeState(join(folder, `${name}.json`), { identity, state: pack(state) });

interface PackedState extends Omit<CellState, "moments" | "rows"> {
  readonly moments: PackedMoments;
  readonly rows: PackedFeatures;
}

interface PackedMoments {
  readonly count: number;
  readonly mean: string;
  readonly scatter: string;
}

interface PackedFeatures {
  readonly data: string;
  readonly shape: readonly [number, number];
}

const pack = ({ moments, rows, ...rest }: CellState): PackedState => ({ ...rest, moments: packMoments(moments), rows: packFeatures(rows) });
const unpack = ({ moments, rows, ...rest }: PackedState): CellState => ({
  ...rest,
  moments: unpackMoments(moments),
  rows: unpackFeatures(rows),
});

export const packMoments = ({ count, mean, scatter }: Moments): PackedMoments => ({
  count,
  mean: encoded(mean),
  scatter: encoded(scatter),
});
export const unpackMoments = ({ count, mean, scatter }: PackedMoments): Moments => ({
  count,
  mean: decoded(mean),
  scatter: decoded(scatter),
});
export const packFeatures = ({ data, shape }: Features): PackedFeatures => ({ data: encoded(Float64Array.from(data)), shape });
export const unpackFeatures = ({ data, shape }: PackedFeatures): Features => ({ data: decoded(data), shape });

// Exact to the last bit, so that a resumed run ends like one that never stopped.
const encoded = ({ buffer, byteOffset, byteLength }: Float64Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");
const decoded = (text: string): Float64Array => new Float64Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
