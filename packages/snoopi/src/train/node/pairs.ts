import { join } from "node:path";
import { type Device, fromData, type Key, keep, realize, SnoopiError, scope } from "@snoopi/core";
import type { UNet } from "@snoopi/models";
import { writeSafetensors } from "@snoopi/models/node";
import { denoiser } from "../../denoiser.ts";
import { cfg } from "../../guidance/cfg.ts";
import { type Advanced, advances, take } from "../../pipeline/advances.ts";
import type { NoiseSchedule } from "../../schedule/noise-schedule.ts";
import type { DistillConfig } from "../distill-config.ts";
import { normals, stepKey } from "../examples.ts";
import { contextOf, type PromptBank } from "../student/prompt-bank.ts";
import type { Pairs } from "../student/regression.ts";
import { type Agreement, checkAgreement, checkFile } from "./agreement.ts";
import { isThere, makeFolder, sweep } from "./folder.ts";
import { lockFolder } from "./lock.ts";
import { openOwnFile } from "./own-file.ts";

export interface PairsOptions {
  readonly folder: string;
  readonly device: Device;
  readonly network: UNet;
  readonly schedule: NoiseSchedule;
  readonly bank: PromptBank;
  readonly latents: readonly number[];
  readonly sampling: DistillConfig["pairs"];
  /** What existing pairs have to agree with. */
  readonly identity: unknown;
  readonly key: Key;
  readonly resume: boolean;
  readonly signal: AbortSignal;
  /** Called before the first and after each batch with the number of pairs so far. */
  readonly onPairs?: (there: number) => void;
}

const field = "snoopi.pairs";

/** Keys that need not agree: a batch of pairs is the same however many follow it. */
const free = ["pairs.count"];

/**
 * The teacher's pictures with guidance, each with the noise it came from: a file for each batch, written whole, so that a run that
 * was stopped goes on where it stopped, and one that wants more pairs keeps the existing ones. `undefined` when the signal asked to stop.
 *
 * @throws SnoopiError for files of another config or that cannot be read, and for any when `resume` is false.
 */
export async function makePairs(options: PairsOptions): Promise<Pairs | undefined> {
  const { folder, sampling, latents, signal, bank } = options;
  const { count, batch } = sampling;
  await makeFolder(folder);
  await using _ = await lockFolder(folder);
  await sweep(folder, /^\.pairs-\d+\..*\.tmp$/);
  const size = latents.reduce((a, b) => a * b, 1);
  const all = { noise: new Float32Array(count * size), x0: new Float32Array(count * size), said: new Int32Array(count) };
  options.onPairs?.(0);
  for (let first = 0, part = 0; first < count; first += batch, part++) {
    if (signal.aborted) return undefined;
    const now = Math.min(batch, count - first);
    const shape = [now, ...latents];
    const path = join(folder, `pairs-${String(part).padStart(5, "0")}.safetensors`);
    const noise = normals(shape, stepKey(options.key, 1, part)).data as Float32Array;
    const said = bank.draw(stepKey(options.key, 2, 0), part, batch).slice(0, now);
    let x0 = await stored(path, options, size * now);
    if (!x0) {
      x0 = await sampled(options, { noise, said, shape });
      if (!x0) return undefined;
      const bad = x0.findIndex((v) => !Number.isFinite(v));
      if (bad >= 0)
        throw new SnoopiError(`pairs: the teacher's picture ${first + Math.floor(bad / size)} is not finite. Check the teacher.`);
      const tensors = [
        ["noise", { dtype: "f32", shape, data: noise }],
        ["x0", { dtype: "f32", shape, data: x0 }],
        ["said", { dtype: "i32", shape: [now], data: said }],
      ] as const;
      await writeSafetensors(path, tensors, { metadata: { [field]: JSON.stringify(options.identity) } });
    }
    all.noise.set(noise, first * size);
    all.x0.set(x0, first * size);
    all.said.set(said, first);
    options.onPairs?.(first + now);
  }
  const shape = [count, ...latents];
  return { noise: { shape, data: all.noise }, x0: { shape, data: all.x0 }, said: all.said };
}

/** The pictures of a file, if it exists. */
async function stored(path: string, { identity, resume }: PairsOptions, length: number): Promise<Float32Array | undefined> {
  if (!isThere(path)) return undefined;
  if (!resume) throw new SnoopiError(`${path}: there are pairs already. Go on with --resume, or give another --out.`);
  const file = await openOwnFile(path);
  try {
    checkAgreement(file, field, { config: identity, free, fix: "Resume with its config, or give another --out" });
    const { data } = await file.read("x0", { dtype: "f32" });
    // The last file of a run with fewer pairs may hold part of a batch: then it is made again.
    return data.length < length ? undefined : (data as Float32Array).subarray(0, length);
  } finally {
    await file.close();
  }
}

/** @throws SnoopiError when the config of a file of pairs does not agree. */
export const checkPairs = (path: string, agreement: Omit<Agreement, "free">): Promise<void> =>
  checkFile(path, field, { ...agreement, free });

async function sampled(
  { device, network, schedule, bank, signal, sampling: { sampler, steps, guidance } }: PairsOptions,
  { noise, said, shape }: { readonly noise: Float32Array; readonly said: Int32Array; readonly shape: readonly number[] },
): Promise<Float32Array | undefined> {
  return scope(async (s) => {
    const { context, empty, start } = s.run(() => ({
      context: contextOf(bank, said, device),
      empty: contextOf(bank, Int32Array.of(bank.count), device),
      start: fromData(noise, { shape, dtype: "f32", device }),
    }));
    await realize([context.tokens, empty.tokens]);
    const guided = cfg(denoiser(network, schedule), { scale: guidance, negative: empty });
    let now: Advanced = [keep(start)];
    for (const advance of advances(guided, schedule, { steps, sampler, context })) {
      now = await take(advance, now);
      if (signal.aborted) break;
    }
    const [x, before] = now;
    try {
      return signal.aborted ? undefined : Float32Array.from((await x.data()) as Float32Array);
    } finally {
      for (const t of [x, before]) t?.dispose();
    }
  });
}
