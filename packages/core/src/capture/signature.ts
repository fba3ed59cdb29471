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

/** JSON, extended to some values that it cannot write. */
function other(value: unknown): string {
  if (typeof value === "number" || value === undefined) return `${value}`;
  return JSON.stringify(value, (_, v) => (v instanceof Map ? [...v] : typeof v === "bigint" ? `${v}n` : v)) ?? typeof value;
}
