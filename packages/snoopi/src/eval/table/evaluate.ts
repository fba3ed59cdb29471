import { SnoopiError } from "@snoopi/core";
import { resized } from "../../train/resize.ts";
import type { Numbers } from "../../train/stage.ts";
import { judge } from "../../world/judge.ts";
import { pictureSize } from "../../world/scene.ts";
import type { Features } from "../features.ts";
import { emptyMoments, type Moments, mergeMoments, momentsOf } from "../moments.ts";
import { batchOf, type Cell, type CellBatch } from "./cell.ts";
import type { Floor } from "./floor.ts";
import { emptyTally, mergeTallies, type Tally, tallyOf } from "./tally.ts";

/** Makes pictures `[n, 3, S, S]`, −1 black and 1 white, for a batch of a cell that begins at picture `first`. */
export type Painter = (cell: Cell, batch: CellBatch, first: number) => Promise<Numbers>;

/** Takes features of pictures with a network. */
export interface Extractor {
  /** What the features are, for a reader. */
  readonly about: string;
  /** Identifies its weights. */
  readonly origin: string;
  look(pictures: Numbers, prompts: readonly string[]): Promise<Look>;
}

export interface Look {
  readonly features: Features;
  /** The cosine of each picture and its text, where the network knows texts. */
  readonly likeness?: Float64Array;
}

/** All results of a cell so far. */
export interface CellState {
  readonly tally: Tally;
  /** Whether likenesses were measured, so that `tally.likeness` counts. */
  readonly likened: boolean;
  /** Of the features of all pictures. Width 0 if none were taken. */
  readonly moments: Moments;
  /** Features of the first pictures, at most `mostRows`. */
  readonly rows: Features;
}

/** Precision and recall compare every picture with every other: more than these take minutes. */
const mostRows = 1024;

export const emptyState = (): CellState => ({
  tally: emptyTally(),
  likened: false,
  moments: emptyMoments(0),
  rows: { data: new Float64Array(0), shape: [0, 0] },
});

export interface EvaluateOptions {
  readonly paint: Painter;
  readonly extractor: Extractor;
  readonly floor: Floor;
  /** Pictures at once. */
  readonly batch: number;
  /** The state to resume from. */
  readonly from?: CellState;
  readonly signal?: AbortSignal;
  /** Called after every batch with the state so far, and awaited. */
  readonly onBatch?: (state: CellState, added: number) => void | Promise<void>;
}

/** Makes and judges a cell's pictures, batch by batch, until there are as many as it wants or the signal asks to stop. */
export async function evaluate(cell: Cell, options: EvaluateOptions): Promise<CellState> {
  const { paint, extractor, floor, batch, signal, onBatch } = options;
  let state = options.from ?? emptyState();
  while (state.tally.pictures < cell.pictures && !signal?.aborted) {
    const first = state.tally.pictures;
    const asked = batchOf(cell, first, Math.min(batch, cell.pictures - first));
    const painted = await paint(cell, asked, first);
    // Before infinity is clipped to white, and before an extractor complains of what it made of such numbers.
    checkFinite(cell, painted, first);
    const pictures = clipped(painted);
    const look = cell.features ? await extractor.look(pictures, asked.prompts) : undefined;
    state = added(state, counted(cell, { asked, pictures, floor, ...(look?.likeness && { likeness: look.likeness }) }), look);
    await onBatch?.(state, asked.prompts.length);
  }
  return state;
}

interface Painted {
  readonly asked: CellBatch;
  readonly pictures: Numbers;
  readonly floor: Floor;
  readonly likeness?: Float64Array;
}

function checkFinite({ name }: Cell, { data, shape: [count] }: Numbers, first: number): void {
  const at = data.findIndex((v) => !Number.isFinite(v));
  if (at < 0) return;
  const picture = first + Math.floor((at * count) / data.length);
  throw new SnoopiError(`eval: picture ${picture} of ${name} has values that are not finite. The model overflowed: try --device cpu.`);
}

function counted({ lacks }: Cell, { asked, pictures, floor, likeness }: Painted): Tally {
  const { data } = resized(pictures, pictureSize);
  const length = 3 * pictureSize ** 2;
  return asked.constraints.reduce((tally, constraint, i) => {
    const picture = (data as Float32Array).subarray(i * length, (i + 1) * length);
    const seen = { constraint, floor, ...(lacks && { lacks }), ...(likeness && { likeness: likeness[i] }) };
    return mergeTallies(tally, tallyOf(judge(picture), seen));
  }, emptyTally());
}

function added(state: CellState, tally: Tally, look: Look | undefined): CellState {
  const all = mergeTallies(state.tally, tally);
  if (!look) return { ...state, tally: all };
  const { features, likeness } = look;
  const some = momentsOf(features);
  return {
    tally: all,
    likened: likeness !== undefined,
    moments: state.moments.count === 0 ? some : mergeMoments(state.moments, some),
    rows: joined(state.rows, features),
  };
}

export function joined(a: Features, b: Features): Features {
  const [had, width] = [a.shape[0], b.shape[1]];
  const more = Math.min(b.shape[0], mostRows - had);
  if (more <= 0) return a;
  const data = new Float64Array((had + more) * width);
  data.set(a.data);
  data.set(b.data.subarray(0, more * width), had * width);
  return { data, shape: [had + more, width] };
}

/** A decoder's output as a file would hold it, but for the rounding to bytes. */
function clipped({ shape, data }: Numbers): Numbers {
  return { shape, data: (data as Float32Array).map((v) => Math.min(1, Math.max(-1, v))) };
}
