import { SnoopiError } from "@snoopi/core";
import { bitsOf } from "./safetensors-dtype.ts";
import { parseStrictJson } from "./strict-json.ts";

/** Where a tensor is stored: `start` and `end` are byte offsets in the whole file. `dtype` is the file's name for it, such as "BF16". */
export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the data. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

const areCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);

const integers = new Set(["shape", "data_offsets"]);

/**
 * Reads and validates the JSON of a safetensors header by the rules of the reference implementation, and the format's README where that
 * is stricter: no duplicate names. `begin` is where the data starts, `size` where the file ends.
 */
export function parseHeader(bytes: Uint8Array, file: { name: string; begin: number; size: number }): SafetensorsHeader {
  const { name, begin, size } = file;
  const refuse = (problem: string): never => {
    throw new SnoopiError(`${name}: ${problem}. The file is damaged or was not made by a safetensors writer.`);
  };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("the header is not UTF-8");
  }
  const json = parseStrictJson(text, { name, integers });
  if (!isObject(json)) return refuse("the header is not a JSON object");

  const metadata = new Map<string, string>();
  const tensors: [string, TensorEntry][] = [];
  for (const [key, value] of Object.entries(json)) {
    if (key !== "__metadata__") tensors.push([key, parseEntry(key, value, { begin, refuse })]);
    else if (isObject(value)) {
      for (const [field, item] of Object.entries(value)) {
        metadata.set(field, typeof item === "string" ? item : refuse(`__metadata__.${field} is ${JSON.stringify(item)}, not a string`));
      }
    } else if (value !== null) refuse("__metadata__ is not an object");
  }

  tensors.sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let at = begin;
  for (const [key, { start, end }] of tensors) {
    if (start !== at) refuse(`tensor ${JSON.stringify(key)} begins at byte ${start - begin} of the data where ${at - begin} is due`);
    at = end;
  }
  if (at !== size) refuse(`the tensors end at byte ${at} and the file at byte ${size}`);
  return { entries: new Map(tensors), metadata };
}

function parseEntry(key: string, value: unknown, context: { begin: number; refuse: (problem: string) => never }): TensorEntry {
  const refuse = (problem: string): never => context.refuse(`tensor ${JSON.stringify(key)} ${problem}`);
  if (!isObject(value)) return refuse("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === "string" ? bitsOf.get(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined) return refuse(`has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!areCounts(shape)) return refuse(`has the shape ${JSON.stringify(shape)}, not a list of sizes`);
  if (!areCounts(offsets) || offsets.length !== 2) return refuse(`has the data_offsets ${JSON.stringify(offsets)}, not a begin and an end`);

  let length = bits;
  // A size of zero is no shortcut: [2^40, 2^40, 0] overflows in the reference, too.
  for (const size of shape) {
    length *= size;
    if (!Number.isSafeInteger(length)) return refuse(`has the shape [${shape.join(", ")}], which is too large`);
  }
  if (length % 8 !== 0) return refuse(`has the shape [${shape.join(", ")}] of ${dtype}, which does not fill whole bytes`);
  const [from, to] = offsets;
  if (to - from !== length / 8) {
    return refuse(`spans ${to - from} bytes, but [${shape.join(", ")}] of ${dtype} takes ${length / 8}`);
  }
  return { dtype, shape, start: context.begin + from, end: context.begin + to };
}
