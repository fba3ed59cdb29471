import { join } from "node:path";
import { foldIn, keyFromSeed } from "@snoopi/core";
import { picturesOf, scenesOf } from "../../train/examples.ts";
import { resized } from "../../train/resize.ts";
import { judge } from "../../world/judge.ts";
import { pictureSize } from "../../world/scene.ts";
import { emptyMoments, mergeMoments, momentsOf } from "../moments.ts";
import { type Extractor, joined } from "../table/evaluate.ts";
import type { Reference } from "../table/figures.ts";
import { type Floor, floorOf } from "../table/floor.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { packFeatures, packMoments, readState, unpackFeatures, unpackMoments, writeState } from "./state-file.ts";

// What all figures are compared with: measured once, then read from a file. No cell has these scenes.

const key = foldIn(keyFromSeed(0), 7);
const atOnce = 64;

export interface MeasureOptions {
  /** Where the result is kept. */
  readonly folder: string;
  readonly pictures: number;
  readonly signal: AbortSignal;
  readonly onPictures?: (added: number, total: number) => void;
}

/** The floor of a VAE's round trips. */
export async function measuredFloor(vae: Autoencoder, { folder, pictures, signal, onPictures }: MeasureOptions): Promise<Floor> {
  const path = join(folder, `floor-${vae.origin}-${pictures}.json`);
  const known = (await readState(path)) as Floor | undefined;
  if (known) return known;
  const seen: { psnr: number; explained: number }[] = [];
  onPictures?.(0, pictures);
  for (let first = 0; first < pictures; first += atOnce) {
    signal.throwIfAborted();
    const count = Math.min(atOnce, pictures - first);
    const { data } = resized(await vae.roundTrip(picturesOf(scenesOf(key, first, count), vae.side)), pictureSize);
    const length = data.length / count;
    for (let i = 0; i < count; i++) {
      const { psnr, explained } = judge(
        (data as Float32Array).slice(i * length, (i + 1) * length).map((v) => Math.min(1, Math.max(-1, v))),
      );
      seen.push({ psnr, explained });
    }
    onPictures?.(count, pictures);
  }
  const floor = floorOf(seen);
  await writeState(path, floor);
  return floor;
}

/** Features of the world's own pictures. */
export async function measuredReference(
  extractor: Extractor,
  { folder, pictures, signal, onPictures }: MeasureOptions,
): Promise<Reference> {
  const path = join(folder, `reference-${extractor.origin}-${pictures}.json`);
  const known = (await readState(path)) as { moments: ReturnType<typeof packMoments>; rows: ReturnType<typeof packFeatures> } | undefined;
  if (known) return { moments: unpackMoments(known.moments), rows: unpackFeatures(known.rows) };
  let reference: Reference = { moments: emptyMoments(0), rows: { data: new Float64Array(0), shape: [0, 0] } };
  onPictures?.(0, pictures);
  for (let first = 0; first < pictures; first += atOnce) {
    signal.throwIfAborted();
    const count = Math.min(atOnce, pictures - first);
    const { features } = await extractor.look(
      picturesOf(scenesOf(key, first, count)),
      Array.from({ length: count }, () => ""),
    );
    const some = momentsOf(features);
    const { moments, rows } = reference;
    reference = { moments: moments.count === 0 ? some : mergeMoments(moments, some), rows: joined(rows, features) };
    onPictures?.(count, pictures);
  }
  await writeState(path, { moments: packMoments(reference.moments), rows: packFeatures(reference.rows) });
  return reference;
}
