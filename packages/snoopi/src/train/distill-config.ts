import { SnoopiError } from "@snoopi/core";
import type { Kappa } from "../distill/kappa.ts";
import { type DistillMethod, distillMethods } from "../distill/method.ts";
import { weightings } from "../distill/weighting.ts";
import { promptsFrom } from "./prompts-from.ts";
import { type ConfigOf, choice, type Field, flag, isObject, number, open, pair, type Schema, text, whole } from "./schema.ts";

// What the configs of `snoopi distill` may say. Defaults are the paper's; where it is silent, SwiftBrush's or marked INFERRED.

const decay = { least: 0, most: 0.999999 };

const rate = (peak: number, warmup: number, shape: "constant" | "linear") =>
  ({
    peak: number(peak, "the highest learning rate", { least: 0 }),
    warmup: number(warmup, "share of the steps in which the rate rises to its peak", { least: 0, most: 0.99 }),
    shape: choice(shape, "how it goes on from there", ["constant", "linear", "one-cycle"]),
  }) satisfies Schema;

const moved = (peak: number) => ({
  rate: rate(peak, 0, "constant"),
  betas: pair([0.9, 0.999], "AdamW's averages of gradients and of their squares", { least: 0, most: 0.99999 }),
  weightDecay: number(0, "AdamW's; INFERRED", { least: 0 }),
});

const adapter = (rank: number, alpha: number) => ({
  rank: whole(rank, "rank of the adapter", { least: 1 }),
  alpha: number(alpha, "its scale: alpha / rank times B A x", { least: 0 }),
  targets: choice("qv", "layers that it is on: to_q and to_v (SwiftBrush's), all four of attention, or every linear and convolution", [
    "qv",
    "attention",
    "all",
  ]),
});

/** A number, or the two ends of an interval. */
const kappa = (about: string, { least = -Infinity } = {}): Field<Kappa> => ({
  absent: { fixed: 1 },
  about,
  read(value, path) {
    const fits = (one: unknown) => Number.isFinite(one) && (one as number) >= least;
    if (fits(value)) return { fixed: value as number };
    if (Array.isArray(value) && value.length === 2 && value.every(fits) && value[0] <= value[1]) {
      return { uniform: [value[0], value[1]] };
    }
    const wanted = least === -Infinity ? "a number" : `a number of ${least} or more`;
    throw new SnoopiError(
      `config: ${path} is ${JSON.stringify(value)}. Give ${wanted}, or two of which the first is the smaller, for an interval.`,
    );
  },
});

const names = Object.keys(distillMethods) as (keyof typeof distillMethods)[];
const weightingNames = Object.keys(weightings) as (keyof typeof weightings)[];
const timesteps = (about: string) => open(pair([0, 1000], about, { least: 0 }));

/** All keys of a config of `snoopi distill`, with their defaults and what they are: for `readConfig`. */
export const distillSchema = {
  preset: open(choice("sd15", "whose sizes --dry-run counts with where no --model is given", ["sd15", "sd21", "pixart512"])),
  seed: whole(0, "all randomness: prompts, noise, timesteps, κ and the adapters"),
  startSeed: open(whole(0, "of pairs and regression in place of seed: students of several seeds then have one start, see --start")),
  prompts: promptsFrom(
    "world",
    "the tiny world's captions (world), or a file: .txt, .jsonl, .ndjson, also with .gz, .parquet; { file, column } with a name or several",
  ),
  embeddings: {
    keep: choice("none", "how a file's prompts, all encoded before the first step, are kept on disk; a step then needs no text encoder", [
      "none",
      "f16",
      "f32",
    ]),
    folder: open(text("", "where, for several students to share; training/embeddings of the student when absent")),
  },
  base: choice("f32", "how the frozen weights of the teacher and its text encoder lie in memory", ["f32", "f16"]),
  size: open(whole(64, "side of the pictures in pixels; the teacher's own when absent", { least: 8 })),
  pairs: {
    count: whole(0, "pictures of the teacher, with the noise that they came from; 0 makes none"),
    batch: whole(64, "how many at a time", { least: 1 }),
    sampler: choice("ddim", "what makes them: DDIM, or DPM-Solver++(2M), which needs fewer steps", ["ddim", "dpm-solver"]),
    steps: whole(25, "its steps", { least: 1, most: 1000 }),
    guidance: number(3, "classifier-free guidance", { least: 0 }),
  },
  regression: {
    steps: whole(0, "updates of the student by the pairs alone, before it is distilled; 0 begins with the teacher's weights"),
    batch: whole(64, "pairs of a batch", { least: 1 }),
    accumulate: whole(1, "batches of an update, one after another: their gradients are averaged, and memory is that of one", { least: 1 }),
    ...moved(3e-4),
    maxNorm: number(1, "gradients are scaled down to at most this norm", { least: 1e-12 }),
    ema: number(0.99, "how much of the average of the weights stays at a step; 0 keeps no average", decay),
    delta: number(0.01, "where the pseudo-Huber loss goes from a square to a line", { least: 1e-9 }),
  },
  ahead: whole(0, "updates of the LoRA teacher alone before the student moves: for one that does not begin as the teacher"),
  steps: whole(60000, "updates of the student", { least: 1 }),
  batch: whole(64, "prompts of a batch", { least: 1 }),
  accumulate: whole(
    1,
    "batches of an update, in the distillation and ahead of it, one after another: their gradients are averaged, and memory is that of one",
    {
      least: 1,
    },
  ),
  checkpointEvery: whole(100, "steps between two checkpoints", { least: 1 }),
  sampleEvery: whole(500, "steps between two sample sheets; 0 draws one at the end only"),
  snapshotEvery: whole(0, "steps between two snapshots of the student, each a model's folder in snapshots/; 0 keeps none"),
  method: {
    name: choice("pgSb", "the method whose numbers count where the keys below are absent", names),
    teacherKappa: open(kappa("κ of the teacher: a number, or [min, max]")),
    loraKappa: open(kappa("κ of the LoRA teacher: a number, or [min, max]")),
    per: open(choice("sample", "whether κ is drawn for each sample or for the batch; INFERRED", ["sample", "batch"])),
    draws: open(choice("shared", "whether both teachers share the draw; INFERRED", ["shared", "independent"])),
    against: open(choice("vsd", "what the teacher's score stands against: the LoRA teacher's, or the noise", ["vsd", "sds"])),
    weighting: open(choice("sigma2", "w(t)", weightingNames)),
    studentRange: timesteps("timesteps at which the scores are compared: [from, below]"),
    loraRange: timesteps("timesteps that the LoRA teacher learns on: [from, below]"),
    loraWeighting: open(choice("abar", "how the LoRA teacher's errors count over t", ["abar", "one"])),
    loraSteps: open(whole(1, "updates of the LoRA teacher for one of the student")),
    nullText: open(number(0.1, "share of the LoRA teacher's updates with the empty text", { least: 0, most: 1 })),
    nasa: open(kappa("NASA-T: α of NASA in the student, a number or [min, max]; needs a negative for each prompt", { least: 0 })),
    maxNorm: open(number(1, "gradients are scaled down to at most this norm", { least: 1e-12 })),
  },
  negatives: open(promptsFrom("world", "what NASA-T keeps away: a file as for prompts, or world for the values of the tiny world")),
  student: {
    train: choice("full", "all weights, or an adapter that is merged at the end", ["full", "lora"]),
    steps: whole(1, "steps that it draws in; more than 1 learn by backward simulation, which is DMD2's and not the paper's", {
      least: 1,
      // 50 in a scheduler's config stands for an LCM, which draws differently.
      most: 49,
    }),
    timestep: open(
      whole(999, "where it begins, if it draws in one step and not at the last timestep: 400 for PixArt's students", { most: 999 }),
    ),
    ...adapter(256, 512),
    ...moved(1e-6),
    ema: number(0.9999, "how much of the average stays at a step; 0 keeps none; INFERRED", decay),
    checkpoint: flag(false, "whether the backward pass computes each block again instead of keeping all it made"),
  },
  loraTeacher: {
    ...adapter(64, 128),
    ...moved(1e-3),
    ema: number(0, "of an average of the adapter, kept beside it", decay),
    checkpoint: flag(false, "as the student's"),
  },
  keepRegression: {
    weight: number(0, "of the regression on pairs beside the distillation", { least: 0 }),
    batch: whole(16, "pairs of an update", { least: 1 }),
  },
  clip: {
    weight: number(0.1, "of the clamped CLIP loss of the decoded picture at the first step; 0 needs no clip/", { least: 0 }),
    margin: number(0.37, "the cosine above which there is no loss", { least: -1, most: 1 }),
    decay: choice("linear", "how the weight goes to 0 at the last step; INFERRED", ["linear", "cosine", "none"]),
    decoder: open(
      text("", "folder of an AutoencoderTiny (TAESD) that decodes pictures for this loss; when absent the model's own VAE does"),
    ),
    atOnce: whole(
      0,
      "pictures that are decoded together, computed again on the way back so that all need the memory of these; 0 keeps all",
    ),
  },
} satisfies Schema;

export type DistillConfig = ConfigOf<typeof distillSchema>;

/**
 * Keys that change what is written and when, or where something lies, but not what is learned: they may change on resuming. What lies there
 * is compared by its digest.
 */
export const distillFreeKeys: readonly string[] = [
  ...["checkpointEvery", "sampleEvery", "snapshotEvery", "preset"],
  ...["embeddings.folder", "clip.decoder"],
];

/** What is about a LoRA teacher alone. */
const sdsIgnores = ["loraKappa", "loraRange", "loraWeighting", "loraSteps", "nullText"] as const;

/** @throws SnoopiError for keys that contradict each other. */
export function checkDistillConfig(config: DistillConfig): void {
  const refuse = (what: string): never => {
    throw new SnoopiError(`config: ${what}.`);
  };
  const { pairs, regression, keepRegression, method, negatives } = config;
  if (pairs.count === 0 && config.startSeed !== null)
    refuse(`startSeed is ${config.startSeed} and pairs.count 0, so there is no start that it could be of. Leave it out`);
  const { keep, folder } = config.embeddings;
  if (keep !== "none" && config.prompts === "world")
    refuse(`embeddings.keep is ${keep} and prompts world, whose captions are few. Leave it out`);
  if (keep === "none" && folder !== null) refuse("embeddings.folder is given, and embeddings.keep is none. Give f16 or f32");
  if (pairs.count === 0 && regression.steps > 0)
    refuse(`regression.steps is ${regression.steps} and pairs.count 0. Give pairs to learn from`);
  if (pairs.count === 0 && keepRegression.weight > 0)
    refuse(`keepRegression.weight is ${keepRegression.weight} and pairs.count 0. Give pairs to learn from`);
  if (pairs.count > 0 && regression.steps === 0 && keepRegression.weight === 0)
    refuse(`pairs.count is ${pairs.count}, and neither regression.steps nor keepRegression.weight uses them`);
  if (regression.steps > 0 && config.student.train === "lora")
    refuse("regression.steps needs a student of all weights, and student.train is lora");
  if (config.student.timestep !== null && config.student.steps > 1)
    refuse(
      `student.timestep is ${config.student.timestep} and student.steps ${config.student.steps}. Only one step begins where it is told to`,
    );
  const chosen = methodOf(config);
  for (const [name, range] of [
    ["studentRange", chosen.studentRange],
    ["loraRange", chosen.loraRange],
  ] as const) {
    if (!(Number.isSafeInteger(range.from) && Number.isSafeInteger(range.below) && range.from < range.below && range.below <= 1000))
      refuse(`method.${name} is [${range.from}, ${range.below}]. Give whole numbers from 0 to 1000, the smaller first`);
  }
  const unread = sdsIgnores.filter((key) => config.method[key] !== null && config.method[key] !== 0);
  if (chosen.against === "sds" && unread.length > 0)
    refuse(`${unread.map((key) => `method.${key}`).join(", ")} given, and sds has no LoRA teacher. Leave out, or write null`);
  if (chosen.against === "vsd" && chosen.loraSteps === 0) refuse("method.loraSteps is 0, and only sds goes without a LoRA teacher");
  if (chosen.loraSteps === 0 && config.ahead > 0) refuse(`ahead is ${config.ahead}, and method ${method.name} has no LoRA teacher`);
  if (chosen.nasa && negatives === null) refuse("method.nasa has nothing to keep away. Give negatives");
  if (!chosen.nasa && negatives !== null) refuse(`negatives is given, and method ${method.name} does not use NASA. Give method.nasa`);
}

/** Leaves out `accumulate` if it is 1, so that older configs, which lack it, still agree. */
const severalBatches = <C extends { readonly accumulate: number }>({ accumulate, ...rest }: C) => ({
  ...rest,
  ...(accumulate > 1 && { accumulate }),
});

/** What the pairs depend on, beside the teacher. */
export const pairsConfig = ({ seed, startSeed, prompts, base, size, pairs }: DistillConfig) => ({
  ...{ seed: startSeed ?? seed, prompts, base, size, pairs },
});

/** The keys that the regression start depends on: students that agree in them may begin with the same one. */
export const regressionConfig = (config: DistillConfig) => ({
  ...pairsConfig(config),
  regression: severalBatches(config.regression),
  student: startOf(config.student),
});

/** Leaves out `timestep` if it is the last, so that older configs, which lack it, still agree. */
const startOf = ({ train, timestep }: DistillConfig["student"]) => ({ train, ...(timestep !== null && { timestep }) });

/** The same for the LoRA teacher that is trained ahead. */
export const aheadConfig = (config: DistillConfig) => {
  const { ahead, batch, accumulate, loraTeacher } = config;
  const { loraRange, loraWeighting, nullText, maxNorm } = methodOf(config);
  return {
    ...regressionConfig(config),
    ...seedsOf(config),
    ahead,
    ...severalBatches({ batch, accumulate }),
    loraTeacher,
    method: { loraRange, loraWeighting, nullText, maxNorm },
  };
};

/** All that the student depends on. */
export const wholeConfig = (config: DistillConfig) => {
  const { startSeed: _, regression, ...rest } = config;
  return { ...severalBatches(rest), regression: severalBatches(regression), ...seedsOf(config) };
};

/** Leaves out `startSeed` if it is the student's own seed. */
const seedsOf = ({ seed, startSeed }: DistillConfig) => (startSeed === null || startSeed === seed ? { seed } : { seed, startSeed });

/** The method of a config: the named one with the config's overrides. */
export function methodOf({ method: { name, ...over } }: DistillConfig): DistillMethod {
  const named: DistillMethod = distillMethods[name];
  const range = (given: readonly [number, number] | null, usual: DistillMethod["studentRange"]) =>
    given ? { from: given[0], below: given[1] } : usual;
  const per = over.per ?? named.kappa.per;
  const nasa = over.nasa ? ({ scale: over.nasa, per: named.nasa?.per ?? "batch" } as const) : named.nasa;
  const against = over.against ?? named.against;
  return {
    against,
    weighting: over.weighting ?? named.weighting,
    kappa: {
      teacher: over.teacherKappa ?? named.kappa.teacher,
      lora: over.loraKappa ?? named.kappa.lora,
      per,
      draws: over.draws ?? named.kappa.draws,
    },
    studentRange: range(over.studentRange, named.studentRange),
    loraRange: range(over.loraRange, named.loraRange),
    loraWeighting: over.loraWeighting ?? named.loraWeighting ?? "abar",
    loraSteps: over.loraSteps ?? (against === "sds" ? 0 : named.loraSteps),
    nullText: over.nullText ?? named.nullText,
    maxNorm: over.maxNorm ?? named.maxNorm,
    ...(nasa && { nasa }),
  };
}

/**
 * What a config says otherwise than the method that it names, such as `loraSteps 3`. Keys that are said count, whatever the name: another name over
 * a file that says all of them would else be another name and nothing more.
 */
export function departures(config: DistillConfig): string[] {
  const same = (a: DistillMethod, b: DistillMethod) => JSON.stringify(a) === JSON.stringify(b);
  // κ is shown as a config says it.
  const shown = (value: unknown) => JSON.stringify(isObject(value) ? (value.fixed ?? value.uniform) : value);
  return Object.entries(config.method).flatMap(([key, value]) => {
    if (key === "name" || value === null) return [];
    const without = { ...config, method: { ...config.method, [key]: null } };
    return same(methodOf(without), methodOf(config)) ? [] : [`${key} ${shown(value)}`];
  });
}

/** The method in a line. */
export function describeMethod(config: DistillConfig): string {
  const otherwise = departures(config);
  return `method: ${config.method.name}${otherwise.length > 0 ? `, but for ${otherwise.join(", ")}` : ""}`;
}
