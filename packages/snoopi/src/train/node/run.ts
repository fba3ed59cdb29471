import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { openOutput } from "../../cli/output.ts";
import { encodePng } from "../../picture/png.ts";
import type { Picture } from "../../pipeline/generate.ts";
import { freeKeys } from "../config.ts";
import { fromCsv, lossChart, type Row, rounded, toCsv } from "../curve.ts";
import type { Stage, Weights } from "../stage.ts";
import type { StepSettings } from "../step.ts";
import { type Stepper, stepperOf } from "../stepper.ts";
import { allFinite, checkpointPath, readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { isThere, makeFolder, sweep } from "./folder.ts";
import { lockFolder } from "./lock.ts";

export interface RunOptions {
  /** Where checkpoint, curves and sample sheets go. */
  readonly folder: string;
  readonly settings: StepSettings;
  readonly checkpointEvery: number;
  /** 0: at the end only. */
  readonly sampleEvery: number;
  /** What the checkpoint has to agree with. */
  readonly config: unknown;
  /** Keys of the config that may differ. */
  readonly free?: readonly string[];
  readonly resume: boolean;
  readonly signal: AbortSignal;
  /** The columns that the chart shows. Default: the loss. */
  readonly columns?: (row: Row) => readonly string[];
  /** A picture of what the weights can do. */
  readonly sheet: (weights: Weights) => Promise<Picture>;
  /** Keeps the weights of some steps for good. */
  readonly keep?: Keeping;
  /** Called before the first step with the steps taken, and after each with its loss. */
  readonly onStep?: (taken: number, loss?: number) => void;
  readonly onNote?: (line: string) => void;
}

export interface Keeping {
  /** Steps between two. */
  readonly every: number;
  /** Called before the first step, or the first after a checkpoint. */
  readonly open: () => Promise<void>;
  /** Called before the checkpoint of the same step is written, so a resumed run may call it again, with the same weights. */
  readonly write: (taken: number, weights: Weights) => Promise<void>;
}

export type StepsOptions = Omit<RunOptions, "settings"> & { readonly settings: Pick<StepSettings, "steps"> };

export interface Ended {
  readonly finished: boolean;
  readonly steps: number;
  /** The average where one is kept, else the weights. */
  readonly weights: Weights;
}

/**
 * Trains a stage, or goes on from a checkpoint, until its steps are taken or the signal asks to stop; either way the checkpoint is then
 * up to date. A failure to write leaves the previous checkpoint in place.
 *
 * @throws SnoopiError when there is a checkpoint and `resume` is false, when it is of another config, and when a loss, a gradient or what a step
 * has made of the weights is not finite: the checkpoint is then the last state that was.
 */
export async function runTraining(stage: Stage, options: RunOptions): Promise<Ended> {
  using training = stepperOf(stage, options.settings);
  return await runSteps(training, options);
}

/** A run is resumed with its own config alone, of which the rate is a part. */
const calmer = "Begin anew with a lower learning rate in another --out.";

/** {@link runTraining} of anything that goes step by step. */
export async function runSteps(training: Stepper, options: StepsOptions): Promise<Ended> {
  const { folder, settings, signal, config, free = freeKeys, keep } = options;
  const { name } = training;
  await makeFolder(folder);
  await using _ = await lockFolder(folder);
  await sweep(folder, /^\.(checkpoint|loss|sample-\d+)\..*\.tmp$/);
  let taken = 0;
  const identity = { model: name, config };

  const at = begin(folder, options);
  if (at) {
    taken = await readCheckpoint(folder, training.parts(0), { ...identity, free });
    training.adopt();
  }
  const rows = at ? (await oldRows(folder)).filter(({ step }) => step < taken) : [];
  let saved = at ? taken : -1;
  /** Where the state before a step that failed is. A run with the same config would come to that step again. */
  const left = () =>
    `${saved < 0 ? "There is no checkpoint yet" : `${checkpointPath(folder)} holds the state before step ${saved}`}. ${calmer}`;
  /** Writes the checkpoint, or returns the tensor that is not finite. */
  const written = async (): Promise<string | undefined> => {
    if (saved === taken) return undefined;
    try {
      await writeCurves(folder, rows, { title: name, columns: options.columns });
      const broken = await writeCheckpoint(folder, training.parts(taken), { ...identity, step: taken });
      if (broken !== undefined) return broken;
    } catch (error) {
      if (!(error instanceof SnoopiError)) throw error;
      const kept =
        saved < 0 ? "There is no checkpoint yet." : `The checkpoint of step ${saved} is as it was: make room and go on with --resume.`;
      throw new SnoopiError(`${error.message} ${kept}`, { cause: error });
    }
    saved = taken;
    return undefined;
  };
  const notFinite = (tensor: string) => new SnoopiError(`${name}: after step ${taken - 1} ${tensor} is not finite. ${left()}`);
  const save = async () => {
    const broken = await written();
    if (broken !== undefined) throw notFinite(broken);
  };
  /** The weights for a snapshot or a sheet. Like a checkpoint, neither is of weights that are not finite. */
  const weights = async () => {
    const found = await training.weights();
    for (const [tensor, { data }] of found) if (!allFinite(data)) throw notFinite(`weights.${tensor}`);
    return found;
  };
  const draw = async () => {
    const png = await encodePng(await options.sheet(await weights()));
    await (await openOutput(join(folder, `sample-${String(taken).padStart(6, "0")}.png`))).write(png);
  };

  await keep?.open();
  options.onStep?.(taken);
  while (taken < settings.steps && !signal.aborted) {
    const report = await training.step(taken, { next: taken + 1 < settings.steps });
    if (!Object.values(report).every(Number.isFinite)) {
      const first = (await training.firstNotFinite(taken)) ?? "no tensor";
      const whole = training.unmoved(report) && (await written()) === undefined;
      const figures = Object.entries(report).flatMap(([key, value]) => (Number.isFinite(value) ? [] : [`a ${key} of ${value}`]));
      throw new SnoopiError(
        `${name}: step ${taken} has ${figures.join(" and ")}; ${first} is the first that is not finite. ${whole ? "Nothing moved, and " : ""}${left()}`,
      );
    }
    rows.push(rounded({ step: taken, ...report }));
    taken++;
    options.onStep?.(taken, report.loss);
    if (keep && taken % keep.every === 0) await keep.write(taken, await weights());
    if (taken % options.checkpointEvery === 0) await save();
    if (options.sampleEvery > 0 && taken % options.sampleEvery === 0 && taken < settings.steps) await draw();
  }
  await save();
  const finished = taken >= settings.steps;
  if (finished) await draw();
  return { finished, steps: taken, weights: await training.weights() };
}

/** Whether there is a checkpoint to go on from. */
function begin(folder: string, { resume, onNote }: StepsOptions): boolean {
  const path = checkpointPath(folder);
  const there = isThere(path);
  if (there && !resume)
    throw new SnoopiError(`${path}: there is a checkpoint already. Go on from it with --resume, or give another --out.`);
  if (!there && resume) onNote?.(`${path}: there is no checkpoint yet, so this begins at step 0.`);
  return there;
}

const csvPath = (folder: string) => join(folder, "loss.csv");

async function oldRows(folder: string): Promise<Row[]> {
  const path = csvPath(folder);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw new SnoopiError(`${path}: it cannot be read, ${error.message}.`);
  });
  return fromCsv(text, path);
}

async function writeCurves(
  folder: string,
  rows: readonly Row[],
  { title, columns = () => ["loss"] }: { readonly title: string; readonly columns: RunOptions["columns"] | undefined },
): Promise<void> {
  if (rows.length === 0) return;
  const bytes = (text: string) => new TextEncoder().encode(text);
  await (await openOutput(csvPath(folder))).write(bytes(toCsv(rows)));
  await (await openOutput(join(folder, "loss.svg"))).write(bytes(lossChart(rows, title, { columns: columns(rows[0]) })));
}
