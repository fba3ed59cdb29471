import { SnoopiError } from "@snoopi/core";
import { guidanceNames } from "../pipeline/guidance-plan.ts";
import { type Sampler, samplers } from "../pipeline/sampling.ts";
import { predictionTypes } from "../schedule/config.ts";
import type { ConvertOptions } from "./convert.ts";
import { type DistillOptions, distillHelp, parseDistill } from "./distill-args.ts";
import type { DownloadOptions } from "./download.ts";
import { type EvalOptions, evalHelp, parseEval } from "./eval-args.ts";
import { convertHelp, downloadHelp, generateHelp, help, inspectHelp, mergeHelp } from "./help.ts";
import { type LoraWord, loraWord } from "./loras.ts";
import type { MergeOptions } from "./merge.ts";
import { parseTrain, type TrainOptions, trainHelp } from "./train-args.ts";
import { choice, choiceOrNumber, type DeviceWord, deviceIn, finite, integer, seedOf } from "./values.ts";
import { wordsOf } from "./words.ts";

/** What `snoopi generate` was asked for, with defaults filled in. */
export interface GenerateOptions {
  /** A folder as diffusers' `save_pretrained` writes it, a checkpoint in a single file, or a name of `shippedModels`. */
  readonly model: string;
  readonly prompt: string;
  /** The text to steer away from. Unless an option below names a method, the model decides on one: see `guidancePlan`. */
  readonly negative?: string;
  /** NASA's scale, ≥ 0. */
  readonly nasaScale?: number;
  /** Passes through the network, ≥ 1. Default: what the model is made for. */
  readonly steps?: number;
  /** How several steps follow each other. Default: as the model is made for. */
  readonly sampler?: Sampler;
  /** LoRAs to add, in order. */
  readonly loras?: readonly LoraWord[];
  /** The training timestep that one step begins at. Default: the model's own, else the last. */
  readonly timestep?: number;
  /** A method's name, or the scale of classifier-free guidance, which takes no second pass if at most 1. */
  readonly guidance?: number | string;
  /** The named method's scale, ≥ 0. Default: the method's own. */
  readonly guidanceScale?: number;
  /** −2⁶³ … 2⁶⁴ − 1; a bigint where a number would not be exact. */
  readonly seed: number | bigint;
  /** Pixels. Default: the model's own size. */
  readonly width?: number;
  readonly height?: number;
  /** How many pictures, of consecutive seeds from `seed` on. Default 1. */
  readonly count?: number;
  /** The PNG file to write. With several pictures, each one's seed is added to its name. */
  readonly out: string;
  readonly device: DeviceWord;
  /** The part of a weight file's name between `model.` and `.safetensors`, such as `fp16`. */
  readonly variant?: string;
}

export interface InspectOptions {
  /** A diffusers folder, a name of `shippedModels`, or a safetensors file. */
  readonly path: string;
  readonly variant?: string;
}

export type Command =
  | { readonly kind: "generate"; readonly options: GenerateOptions }
  | { readonly kind: "inspect"; readonly options: InspectOptions }
  | { readonly kind: "download"; readonly options: DownloadOptions }
  | { readonly kind: "convert"; readonly options: ConvertOptions }
  | { readonly kind: "train"; readonly options: TrainOptions }
  | { readonly kind: "distill"; readonly options: DistillOptions }
  | { readonly kind: "merge"; readonly options: MergeOptions }
  | { readonly kind: "eval"; readonly options: EvalOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" };

/**
 * Parses the words after `snoopi`.
 * @throws SnoopiError with one line that says which word is wrong and what to write
 */
export function parseCommand(argv: readonly string[]): Command {
  const [name, ...rest] = argv;
  // Accepted anywhere, so that it can be added to an unfinished command line. A value that is only "-h" is written --prompt=-h.
  const asksHelp = rest.includes("--help") || rest.includes("-h");
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return { kind: "help", text: help };
  if (name === "--version") return { kind: "version" };
  if (name === "generate") return asksHelp ? { kind: "help", text: generateHelp } : { kind: "generate", options: parseGenerate(rest) };
  if (name === "inspect") return asksHelp ? { kind: "help", text: inspectHelp } : { kind: "inspect", options: parseInspect(rest) };
  if (name === "download") return asksHelp ? { kind: "help", text: downloadHelp } : { kind: "download", options: parseDownload(rest) };
  if (name === "convert") return asksHelp ? { kind: "help", text: convertHelp } : { kind: "convert", options: parseConvert(rest) };
  if (name === "train") return asksHelp ? { kind: "help", text: trainHelp(rest) } : { kind: "train", options: parseTrain(rest) };
  if (name === "distill") return asksHelp ? { kind: "help", text: distillHelp() } : { kind: "distill", options: parseDistill(rest) };
  if (name === "merge") return asksHelp ? { kind: "help", text: mergeHelp } : { kind: "merge", options: parseMerge(rest) };
  if (name === "eval") return asksHelp ? { kind: "help", text: evalHelp } : { kind: "eval", options: parseEval(rest) };
  throw new SnoopiError(
    `snoopi: ${JSON.stringify(name)} is no command. The commands are generate, inspect, download, convert, train, distill, merge and eval.`,
  );
}

const generateNames =
  "model prompt negative nasa-scale seed count out width height steps sampler timestep guidance guidance-scale device variant".split(" ");

/** Reads and checks the words after `snoopi generate`. */
export function parseGenerate(argv: readonly string[]): GenerateOptions {
  const { values, lists, positionals } = wordsOf("generate", argv, generateNames, ["lora"]);
  if (positionals.length > 0) {
    throw new SnoopiError(`generate: ${JSON.stringify(positionals[0])} belongs to no option. Put quotes around a text with spaces.`);
  }
  const { model = "tiny", prompt, negative, out, variant } = values;
  if (prompt === undefined) throw missing('--prompt "…"');
  if (out === undefined) throw missing("--out picture.png");
  if (!/\.png$/i.test(out))
    throw new SnoopiError(`generate: --out ${JSON.stringify(out)} does not end in .png, and pictures are written as PNG only. Name it so.`);
  if (variant !== undefined) checkVariant("generate", variant);

  const count = integer(values, "count", { least: 1, most: 10_000 });
  const steps = integer(values, "steps", { least: 1 });
  const sampler = choice(values, "sampler", samplers);
  const timestep = integer(values, "timestep", { least: 0 });
  const guidance = choiceOrNumber(values, "guidance", guidanceNames);
  const guidanceScale = finite(values, "guidance-scale", { least: 0 });
  const nasaScale = finite(values, "nasa-scale", { least: 0 });
  const width = integer(values, "width", { least: 1 });
  const height = integer(values, "height", { least: 1 });
  if (nasaScale !== undefined && negative === undefined) {
    throw new SnoopiError('generate: --nasa-scale needs a negative prompt to scale. Add --negative "…".');
  }
  const named = typeof guidance === "string";
  if (guidanceScale !== undefined && !named) {
    throw new SnoopiError(`generate: --guidance-scale needs a method to scale. Add --guidance, one of ${guidanceNames.join(", ")}.`);
  }
  if (named && nasaScale !== undefined && (guidance !== "nasa" || guidanceScale !== undefined)) {
    throw new SnoopiError(`generate: --nasa-scale does not go with --guidance ${guidance}. Use --guidance-scale alone.`);
  }
  if (named && guidance !== "cfg" && negative === undefined) {
    throw new SnoopiError(`generate: --guidance ${guidance} needs something to keep away. Add --negative "…".`);
  }
  return {
    model,
    prompt,
    out,
    seed: seedOf(values),
    device: deviceIn("generate", values),
    ...(count === undefined ? {} : { count }),
    ...(negative === undefined ? {} : { negative }),
    ...(nasaScale === undefined ? {} : { nasaScale }),
    ...(steps === undefined ? {} : { steps }),
    ...(sampler === undefined ? {} : { sampler }),
    ...(lists.lora.length === 0 ? {} : { loras: lists.lora.map(loraWord) }),
    ...(timestep === undefined ? {} : { timestep }),
    ...(guidance === undefined ? {} : { guidance }),
    ...(guidanceScale === undefined ? {} : { guidanceScale }),
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(variant === undefined ? {} : { variant }),
  };
}

/** Reads and checks the words after `snoopi inspect`. */
export function parseInspect(argv: readonly string[]): InspectOptions {
  const { values, positionals } = wordsOf("inspect", argv, ["variant"]);
  const [path = "tiny"] = positionals;
  if (positionals.length > 1) {
    throw new SnoopiError(`inspect: ${positionals.length} paths are given. Give one, a model's folder or a .safetensors file.`);
  }
  if (values.variant === undefined) return { path };
  checkVariant("inspect", values.variant);
  return { path, variant: values.variant };
}

/** Reads and checks the words after `snoopi download`. */
export function parseDownload(argv: readonly string[]): DownloadOptions {
  const { values, positionals } = wordsOf("download", argv, ["out", "variant", "revision"]);
  const [repo, ...files] = positionals;
  if (repo === undefined) throw new SnoopiError("download: the model is missing. Give OWNER/NAME, as on the Hugging Face Hub.");
  const { out = repo.split("/").at(-1)!, variant, revision } = values;
  if (variant !== undefined) checkVariant("download", variant);
  if (variant !== undefined && files.length > 0)
    throw new SnoopiError("download: --variant chooses among a model's weights, and files are named. Leave one of them out.");
  return { repo, files, out, ...(variant !== undefined && { variant }), ...(revision !== undefined && { revision }) };
}

/** Reads and checks the words after `snoopi merge`. */
export function parseMerge(argv: readonly string[]): MergeOptions {
  const { values, positionals } = wordsOf("merge", argv, ["out", "lambda"]);
  const [a, b] = positionals;
  if (positionals.length !== 2)
    throw new SnoopiError(`merge: takes two students, each a model's folder, not ${positionals.length}. See snoopi merge --help.`);
  const { out } = values;
  if (out === undefined) throw new SnoopiError("merge: --out DIR is missing. See snoopi merge --help.");
  return { a, b, out, lambda: finite(values, "lambda", { least: 0, command: "merge" }) ?? 0.5 };
}

/** Reads and checks the words after `snoopi convert`. */
export function parseConvert(argv: readonly string[]): ConvertOptions {
  const { values, positionals } = wordsOf("convert", argv, ["out", "predicts"]);
  const [file, ...more] = positionals;
  if (file === undefined) throw new SnoopiError("convert: the file is missing. Give a checkpoint's .safetensors file.");
  if (more.length > 0) throw new SnoopiError(`convert: ${positionals.length} files are given. Give one at a time.`);
  const { out } = values;
  if (out === undefined) throw new SnoopiError("convert: --out DIR is missing. See snoopi convert --help.");
  const predicts = choice(values, "predicts", predictionTypes, "convert");
  return { file, out, ...(predicts !== undefined && { predicts }) };
}

/** A variant becomes part of a file's name, so it must not lead to another folder. */
function checkVariant(command: string, variant: string): void {
  if (/^[A-Za-z0-9_-]+$/.test(variant)) return;
  throw new SnoopiError(
    `${command}: --variant ${JSON.stringify(variant)} is no variant's name. One is made of letters, digits, - and _, such as fp16.`,
  );
}

function missing(option: string): SnoopiError {
  return new SnoopiError(`generate: ${option} is missing. See snoopi generate --help.`);
}
