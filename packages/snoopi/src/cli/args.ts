import { SnoopiError } from "@snoopi/core";
import { generateHelp, help, inspectHelp } from "./help.ts";
import { choice, finite, integer, seedOf, type Values } from "./values.ts";

/** What `snoopi generate` was asked for, with defaults filled in. */
export interface GenerateOptions {
  /** A folder as diffusers' `save_pretrained` writes it. */
  readonly model: string;
  readonly prompt: string;
  /** The text to steer away from: NASA's when `nasaScale` is there, classifier-free guidance's otherwise. */
  readonly negative?: string;
  /** NASA's scale, ≥ 0. There exactly when NASA is used. */
  readonly nasaScale?: number;
  /** Passes through the network, ≥ 1. */
  readonly steps: number;
  /** The scale of classifier-free guidance; at most 1 means no second pass. 1 for one step. */
  readonly guidance: number;
  /** −2⁶³ … 2⁶⁴ − 1; a bigint where a number would not be exact. */
  readonly seed: number | bigint;
  /** Pixels; the model's own size where absent. */
  readonly width?: number;
  readonly height?: number;
  /** The PNG file to write. */
  readonly out: string;
  readonly device: "webgpu" | "cpu" | "auto";
  /** The part of a weight file's name between `model.` and `.safetensors`, such as `fp16`. */
  readonly variant?: string;
}

export interface InspectOptions {
  /** A diffusers folder or a safetensors file. */
  readonly path: string;
  readonly variant?: string;
}

export type Command =
  | { readonly kind: "generate"; readonly options: GenerateOptions }
  | { readonly kind: "inspect"; readonly options: InspectOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" };

/**
 * The command in the words after `snoopi`.
 * @throws SnoopiError with one line that says which word is wrong and what to write
 */
export function parseCommand(argv: readonly string[]): Command {
  const [name, ...rest] = argv;
  // Anywhere, so that it can be added to a line that is half written. A text that is only "-h" is written --prompt=-h.
  const asksHelp = rest.includes("--help") || rest.includes("-h");
  if (name === undefined || name === "help" || name === "--help" || name === "-h") return { kind: "help", text: help };
  if (name === "--version") return { kind: "version" };
  if (name === "generate") return asksHelp ? { kind: "help", text: generateHelp } : { kind: "generate", options: parseGenerate(rest) };
  if (name === "inspect") return asksHelp ? { kind: "help", text: inspectHelp } : { kind: "inspect", options: parseInspect(rest) };
  throw new SnoopiError(`snoopi: ${JSON.stringify(name)} is no command. The commands are generate and inspect.`);
}

const generateNames = "model prompt negative nasa-scale seed out width height steps guidance device variant".split(" ");

/** Reads and checks the words after `snoopi generate`. */
export function parseGenerate(argv: readonly string[]): GenerateOptions {
  const { values, positionals } = wordsOf("generate", argv, generateNames);
  if (positionals.length > 0) {
    throw new SnoopiError(`generate: ${JSON.stringify(positionals[0])} belongs to no option. Put quotes around a text with spaces.`);
  }
  const { model, prompt, negative, out, variant } = values;
  if (model === undefined) throw missing("--model DIR");
  if (prompt === undefined) throw missing('--prompt "…"');
  if (out === undefined) throw missing("--out picture.png");
  if (!/\.png$/i.test(out))
    throw new SnoopiError(`generate: --out ${JSON.stringify(out)} does not end in .png, and pictures are written as PNG only. Name it so.`);
  if (variant !== undefined) checkVariant("generate", variant);

  const steps = integer(values, "steps", { least: 1 }) ?? 1;
  const guidance = finite(values, "guidance", {});
  const nasaScale = finite(values, "nasa-scale", { least: 0 });
  const width = integer(values, "width", { least: 1 });
  const height = integer(values, "height", { least: 1 });
  if (nasaScale !== undefined && negative === undefined) {
    throw new SnoopiError('generate: --nasa-scale needs a negative prompt to scale. Add --negative "…".');
  }
  if (guidance !== undefined && steps === 1) {
    throw new SnoopiError("generate: one step takes no --guidance. Use --steps 2 or more with it, or --negative with --nasa-scale.");
  }
  const cfg = steps === 1 ? 1 : (guidance ?? 7.5);
  if (negative !== undefined && nasaScale === undefined && steps > 1 && cfg <= 1) {
    throw new SnoopiError(`generate: --negative has no effect with --guidance ${cfg}. Use a guidance above 1, or add --nasa-scale.`);
  }
  const nasa = nasaScale ?? (negative !== undefined && steps === 1 ? 0.5 : undefined);
  return {
    model,
    prompt,
    out,
    steps,
    guidance: cfg,
    seed: seedOf(values),
    device: choice(values, "device", ["webgpu", "cpu", "auto"]) ?? "auto",
    ...(negative === undefined ? {} : { negative }),
    ...(nasa === undefined ? {} : { nasaScale: nasa }),
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(variant === undefined ? {} : { variant }),
  };
}

/** Reads and checks the words after `snoopi inspect`. */
export function parseInspect(argv: readonly string[]): InspectOptions {
  const { values, positionals } = wordsOf("inspect", argv, ["variant"]);
  const [path] = positionals;
  if (path === undefined || positionals.length > 1) {
    throw new SnoopiError(`inspect: ${positionals.length} paths are given. Give one, a model's folder or a .safetensors file.`);
  }
  if (values.variant === undefined) return { path };
  checkVariant("inspect", values.variant);
  return { path, variant: values.variant };
}

/**
 * The words by option: `--name value` or `--name=value`, each at most once. Node's own `parseArgs` refuses values that begin with a dash (`--seed -5`);
 * here only the name of an option is none.
 */
function wordsOf(command: string, argv: readonly string[], names: readonly string[]): { values: Values; positionals: string[] } {
  const values: Record<string, string> = {};
  const isOption = (word: string) => word.startsWith("--") && names.includes(word.slice(2).split("=", 1)[0]!);
  const end = argv.indexOf("--") < 0 ? argv.length : argv.indexOf("--");
  const positionals = argv.slice(end + 1);
  for (let i = 0; i < end; i++) {
    const word = argv[i]!;
    if (!word.startsWith("-") || word === "-") {
      positionals.push(word);
      continue;
    }
    const [flag] = word.split("=", 1) as [string];
    if (!isOption(word)) throw new SnoopiError(`${command}: ${flag} is no option. See snoopi ${command} --help.`);
    const name = flag.slice(2);
    if (Object.hasOwn(values, name)) throw new SnoopiError(`${command}: ${flag} is given twice. Give it once.`);
    const value = word === flag ? argv[++i] : word.slice(flag.length + 1);
    if (value === undefined || i >= end || (word === flag && isOption(value))) {
      throw new SnoopiError(`${command}: ${flag} has no value. Write ${flag} and its value after it.`);
    }
    values[name] = value;
  }
  return { values, positionals };
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
