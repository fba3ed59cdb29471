import { kindOf, SnoopiError } from "../error.ts";
import { isTensor, type Tensor } from "../tensor.ts";
import { isRecord } from "../tree.ts";

/** The tensors of a call's arguments in the order of {@link leaves}, and what decides which program serves the call. */
export interface Signature {
  readonly given: readonly Tensor[];
  /** The structure of the arguments, the tensors' shapes and types, and all other values in them. */
  readonly key: string;
}

/** Reads the arguments once: this runs at every call of a captured function. */
export function signature(args: readonly unknown[]): Signature {
  const given: Tensor[] = [];
  const form = (value: unknown): string => {
    if (isTensor(value)) {
      given.push(value);
      return `${value.dtype}[${value.shape.join()}]`;
    }
    let text = "";
    if (Array.isArray(value)) {
      for (const item of value) text += `${form(item)},`;
      return `[${text}]`;
    }
    if (value instanceof Map) {
      for (const [k, v] of value) text += `${other(k)}=>${form(v)},`;
      return `<${text}>`;
    }
    if (isRecord(value)) {
      for (const k of Object.keys(value)) text += `${JSON.stringify(k)}:${form(value[k])},`;
      return `{${text}}`;
    }
    return other(value);
  };
  return { key: form(args), given };
}

/** A value that is no tree. @throws SnoopiError for one that could not be told from others of its kind. */
function other(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value !== null && (typeof value === "object" || typeof value === "function" || typeof value === "symbol")) {
    const name = typeof value === "object" && value.constructor?.name;
    throw new SnoopiError(
      `capture: an argument is or holds ${name ? `an object of class ${name}` : kindOf(value)}, and the program for one would run for any other. Pass tensors, numbers and text, in plain objects, arrays or maps.`,
    );
  }
  return `${value}`;
}
