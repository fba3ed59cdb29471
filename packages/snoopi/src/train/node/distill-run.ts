import { join } from "node:path";
import { type Device, fromData, keyFromSeed, noGrad, scope, type Tensor } from "@snoopi/core";
import { load, params, toPixels } from "@snoopi/models";
import { fewSteps } from "../../distill/few-step.ts";
import { x0Predictor } from "../../distill/score.ts";
import { aheadConfig, type DistillConfig, distillFreeKeys, pairsConfig, regressionConfig, wholeConfig } from "../distill-config.ts";
import { normals, stepKey } from "../examples.ts";
import { contactSheet } from "../sheet.ts";
import type { Weights } from "../stage.ts";
import { aheadStage } from "../student/ahead.ts";
import { assemble } from "../student/assemble.ts";
import { contextOf } from "../student/prompt-bank.ts";
import { type Pairs, regressionStage } from "../student/regression.ts";
import { distillStepper } from "../student/stepper.ts";
import { withNetwork } from "../weights.ts";
import { openDistillTeacher } from "./distill-teacher.ts";
import { writeLora } from "./lora-file.ts";
import { makePairs } from "./pairs.ts";
import { type RunOptions, runSteps, runTraining } from "./run.ts";
import { openSnapshots, writeSnapshot } from "./snapshot.ts";
import { checkStart, takeStart } from "./start.ts";
import { writeStudent } from "./student-folder.ts";

export interface DistillRunOptions {
  readonly device: Device;
  /** The teacher's folder. */
  readonly model: string;
  /** The student's folder: `training/` in it holds pairs, checkpoints, curves and sample sheets. */
  readonly out: string;
  /** What paths in the config are relative to. */
  readonly beside: string;
  readonly resume: boolean;
  /** The folder of another student, whose pairs and regression are reused as far as they exist. */
  readonly start?: string;
  readonly signal: AbortSignal;
  /** A phase begins with `taken` of its `total` steps, and goes on by `count` with a note. */
  readonly onPhase?: (name: DistillPhase, taken: number, total: number) => void;
  readonly onStep?: (note: string, count: number) => void;
  readonly onNote?: (line: string) => void;
}

export type DistillPhase = "texts" | "pairs" | "regression" | "ahead" | "distill";

export interface DistillEnded {
  readonly finished: boolean;
  readonly phase: DistillPhase;
  readonly steps: number;
  readonly total: number;
  /** Kernels of a step of the distillation, where one has run. */
  readonly dispatches: number;
}

const shown = { columns: 8, rows: 2 };

/**
 * Distils a student from a teacher by a config: pairs, the regression start, the LoRA teacher ahead and the distillation, each with its own
 * folder under `training/`, and writes the student as a pipeline. A run that was stopped goes on where it was.
 */
export async function distillRun(config: DistillConfig, options: DistillRunOptions): Promise<DistillEnded> {
  const { device, out, signal, start } = options;
  const key = keyFromSeed(config.seed);
  const startKey = keyFromSeed(config.startSeed ?? config.seed);
  if (start !== undefined) checkStart(config, { start, out });
  using teacher = await openDistillTeacher({ ...options, folder: options.model, config });
  const { model, bank, latents } = teacher;
  const training = (name: DistillPhase) => join(out, "training", name);
  /** What prompts from files add to the config that a resumed run has to agree with. */
  const texts = teacher.texts === undefined ? {} : { texts: { digest: teacher.texts, keep: config.embeddings.keep } };
  const stopped = (phase: DistillPhase, steps: number, total: number): DistillEnded => ({
    finished: false,
    phase,
    steps,
    total,
    dispatches: 0,
  });

  if (teacher.kept) {
    const { total } = teacher.kept;
    let there = 0;
    options.onPhase?.("texts", 0, total);
    const onTexts = (count: number) => {
      there += count;
      options.onStep?.("", count);
    };
    if (!(await teacher.kept.fill({ signal, onTexts }))) return stopped("texts", there, total);
  }

  const startIdentity = {
    pairs: { ...pairsConfig(config), teacher: teacher.origin, ...texts },
    ...(config.regression.steps > 0 && { regression: { ...regressionConfig(config), ...texts } }),
  };
  const taken = start !== undefined && (await takeStart({ ...options, start }, { ...startIdentity, free: distillFreeKeys }));
  /** Phases taken from --start are resumed. Later phases were not taken over. */
  const resumeStart = options.resume || taken;
  let pairs: Pairs | undefined;
  if (config.pairs.count > 0) {
    let there = 0;
    const { count } = config.pairs;
    pairs = await makePairs({
      folder: training("pairs"),
      device,
      network: model.network.build(params(load(teacher.base))),
      schedule: model.schedule,
      bank,
      latents,
      sampling: config.pairs,
      identity: startIdentity.pairs,
      key: stepKey(startKey, 1, 0),
      resume: resumeStart,
      signal,
      onPairs(now) {
        if (now === 0) options.onPhase?.("pairs", 0, count);
        else options.onStep?.("", now - there);
        there = now;
      },
    });
    if (!pairs) return stopped("pairs", there, count);
  }

  using assembled = assemble({
    device,
    config,
    network: model.network.build,
    schedule: model.schedule,
    base: teacher.base,
    key: stepKey(key, 2, 0),
  });
  const sheet = (weights: Weights) => sheetOf(weights);
  const common = (phase: DistillPhase, total: number, identity: object = wholeConfig(config)): Omit<RunOptions, "settings"> => ({
    folder: training(phase),
    checkpointEvery: config.checkpointEvery,
    sampleEvery: config.sampleEvery,
    config: { ...identity, ...texts },
    free: distillFreeKeys,
    resume: options.resume,
    signal,
    sheet,
    ...(options.onNote && phase === "distill" && { onNote: options.onNote }),
    onStep(taken, loss) {
      if (loss === undefined) options.onPhase?.(phase, taken, total);
      else options.onStep?.(`loss ${loss.toPrecision(4)}`, 1);
    },
  });

  const { regression } = config;
  let started: Weights | undefined;
  if (pairs && regression.steps > 0) {
    const stage = regressionStage({
      name: `regression on ${teacher.origin}`,
      device,
      assembled,
      bank,
      pairs,
      batch: regression.batch,
      delta: regression.delta,
      key: stepKey(startKey, 3, 0),
    });
    const ended = await runTraining(stage, {
      ...common("regression", regression.steps, regressionConfig(config)),
      resume: resumeStart,
      settings: regression,
    });
    if (!ended.finished) return stopped("regression", ended.steps, regression.steps);
    started = ended.weights;
    // The next phase begins with the average.
    noGrad(() =>
      scope(() => {
        for (const [name, { shape, data }] of ended.weights) {
          assembled.student.parameters[name].assign(fromData(data, { shape, dtype: "f32", device }));
        }
      }),
    );
    assembled.student.adopt();
  }

  const batch = config.batch;
  if (config.ahead > 0 && assembled.loraTeacher) {
    const { rate, betas, weightDecay } = config.loraTeacher;
    const stage = aheadStage({
      name: `LoRA teacher of ${teacher.origin}`,
      device,
      assembled,
      bank,
      batch,
      latents,
      key: stepKey(key, 4, 0),
    });
    const settings = {
      steps: config.ahead,
      rate: { peak: rate.peak, warmup: rate.warmup, shape: "constant" },
      betas,
      weightDecay,
      maxNorm: assembled.distillation.method.maxNorm,
      ema: 0,
      accumulate: config.accumulate,
    } as const;
    // Until its first update, the student's average is still the teacher, not the result of the regression.
    const whole = async () => sheetOf(started ?? (await assembled.student.weights()));
    const ended = await runTraining(stage, {
      ...common("ahead", config.ahead, aheadConfig(config)),
      sampleEvery: 0,
      sheet: whole,
      settings,
    });
    if (!ended.finished) return stopped("ahead", ended.steps, config.ahead);
    assembled.loraTeacher.adopt();
  }

  using stepper = distillStepper({
    name: `student of ${teacher.origin}${teacher.judge === undefined ? "" : `, judged by ${teacher.judge}`}`,
    device,
    config,
    assembled,
    bank,
    latents,
    key: stepKey(key, 5, 0),
    ...(teacher.embedLatents && { embedLatents: teacher.embedLatents }),
    ...(pairs && { pairs }),
    ...(teacher.negatives && { negatives: teacher.negatives }),
  });
  const columns = (row: Readonly<Record<string, number>>) =>
    ["g", "norm", "lora", "std", "clip", "regression"].filter((name) => name in row);
  const run = common("distill", config.steps);
  const { snapshotEvery } = config;
  const partsOf = async (weights: Weights) => ({
    teacher: options.model,
    component: model.network.component,
    weights: await assembled.whole(weights),
    steps: config.student.steps,
    ...(config.student.timestep !== null && { timestep: config.student.timestep }),
  });
  const snapshot = (taken: number, weights: Weights) =>
    writeSnapshot(out, {
      taken,
      identity: { model: stepper.name, config: run.config },
      free: distillFreeKeys,
      parts: () => partsOf(weights),
    });
  const keep = {
    every: snapshotEvery,
    async open() {
      await openSnapshots(out);
      // The common start of several methods. Without a regression it is the teacher, which is kept anyway.
      if (started) await snapshot(0, started);
    },
    write: snapshot,
  };
  const ended = await runSteps(stepper, {
    ...run,
    settings: config,
    columns,
    ...(snapshotEvery > 0 && { keep }),
  });
  const { dispatches } = stepper;
  if (!ended.finished) return { ...stopped("distill", ended.steps, config.steps), dispatches };
  await writeStudent(out, await partsOf(ended.weights));
  const { train, rank, alpha } = config.student;
  if (train === "lora") await writeLora(out, { component: model.network.component, weights: ended.weights, factor: alpha / rank });
  return { finished: true, phase: "distill", steps: ended.steps, total: config.steps, dispatches };

  /** Pictures of fixed prompts and noises. */
  async function sheetOf(weights: Weights) {
    const whole = await assembled.whole(weights);
    return withNetwork(whole, device, {
      build: model.network.build,
      use: (network) =>
        scope(async (s) => {
          const { process, student } = assembled.distillation;
          const predict = x0Predictor(network, { process, prediction: student.prediction });
          const { timesteps = [] } = student;
          const count = shown.rows * shown.columns;
          const noises = timesteps.map((_, step) => normals([count, ...latents], stepKey(startKey, 6, step)).data as Float32Array);
          const size = noises[0].length / count;
          // One at a time: a sheet needs no more memory than a picture.
          const pictures = [];
          for (let i = 0; i < count; i++) {
            const image = s.run(() =>
              noGrad(() => {
                const said = Math.min(bank.count - 1, Math.floor(((i % shown.columns) * bank.count) / shown.columns) + 1);
                const own = noises.map((noise) =>
                  fromData(noise.subarray(i * size, (i + 1) * size) as Float32Array, { shape: [1, ...latents], dtype: "f32", device }),
                );
                const text = contextOf(bank, Int32Array.of(said), device);
                return scope((): Tensor => teacher.decode(fewSteps(predict, { process, timesteps, noises: own, text })));
              }),
            );
            pictures.push(...(await toPixels(image)));
            image.dispose();
          }
          return contactSheet(pictures, shown.columns);
        }),
    });
  }
}
