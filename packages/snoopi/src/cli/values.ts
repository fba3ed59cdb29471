import { SnoopiError } from "@snoopi/core";

/** The words given for options, by name. */
export type Values = Readonly<Record<string, string | undefined>>;

/** A whole number, in decimal digits. */
export function integer(
  values: Values,
  name: string,
  { least, most = Number.MAX_SAFE_INTEGER }: { least: number; most?: number },
): number | undefined {
  const word = values[name];
  if (word === undefined) return undefined;
  const value = /^[+-]?\d+$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw refused(name, word, `a whole number, ${most < Number.MAX_SAFE_INTEGER ? `${least} to ${most}` : `${least} or more`}`);
}

/** A number with or without a fraction; neither infinite nor NaN. */
export function finite(
  values: Values,
  name: string,
  { least, command = "generate" }: { least?: number; command?: string },
): number | undefined {
  const word = values[name];
  if (word === undefined) return undefined;
  const value = numberIn(word);
  if (Number.isFinite(value) && (least === undefined || value >= least)) return value;
  throw refused(name, word, least === undefined ? "a number" : `a number, ${least} or more`, command);
}

const devices = ["webgpu", "cpu", "auto"] as const;
/** Where a command computes; `auto` is WebGPU where there is an adapter. */
export type DeviceWord = (typeof devices)[number];

/** `--device`, `auto` unless given. */
export function deviceIn(command: string, { device = "auto" }: Values): DeviceWord {
  const found = devices.find((one) => one === device);
  if (found !== undefined) return found;
  throw refused("device", device, `one of ${devices.join(", ")}`, command);
}

/** One of `allowed`. */
export function choice<T extends string>(values: Values, name: string, allowed: readonly T[], command = "generate"): T | undefined {
  const word = values[name];
  const found = allowed.find((one) => one === word);
  if (word === undefined || found !== undefined) return found;
  throw refused(name, word, `one of ${allowed.join(", ")}`, command);
}

/** One of `allowed`, or a number. */
export function choiceOrNumber(values: Values, name: string, allowed: readonly string[]): string | number | undefined {
  const word = values[name];
  if (word === undefined || allowed.includes(word)) return word;
  const value = numberIn(word);
  if (Number.isFinite(value)) return value;
  throw refused(name, word, `a number, or one of ${allowed.join(", ")}`);
}

/** A decimal number, else NaN. */
// Number() also takes "", "0x10" and "Infinity", which nobody means here.
export const numberIn = (word: string): number => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word) ? Number(word) : Number.NaN);

/** The seed, 0 unless given: what `torch.manual_seed` takes, −2⁶³ … 2⁶⁴ − 1. A bigint where a number would not be exact. */
export function seedOf(values: Values): number | bigint {
  const word = values.seed ?? "0";
  const value = /^[+-]?\d+$/.test(word) ? BigInt(word.replace(/^\+/, "")) : undefined;
  if (value === undefined || value < -(2n ** 63n) || value >= 2n ** 64n)
    throw refused("seed", word, "a whole number from -2^63 to 2^64 - 1");
  const number = Number(value);
  // BigInt("-0") is 0n, so no minus zero comes out.
  return Number.isSafeInteger(number) ? number : value;
}

function refused(name: string, word: string, wanted: string, command = "generate"): SnoopiError {
  return new SnoopiError(`${command}: --${name} is ${JSON.stringify(word)}. Give ${wanted}.`);
}
