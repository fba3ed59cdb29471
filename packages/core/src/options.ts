import { kindOf, OpError } from "./error.ts";
import { isTensor } from "./tensor.ts";

/** Every option of `T` by its name: the compiler reports one that is missing. */
export type NamesOf<T> = { readonly [K in keyof T]-?: true };

/**
 * Returns the options unchanged. Unchecked JavaScript would ignore what TypeScript refuses: `sum(x, 1)` would sum all, and so would
 * `sum(x, { dim: 1 })`.
 * @throws OpError unless they are an object with no keys but `names`.
 */
export function checkOptions<T extends object>(op: string, options: T, names: NamesOf<T>): T {
  if (typeof options !== "object" || options === null || Array.isArray(options) || isTensor(options)) {
    const kind = isTensor(options) ? "a tensor" : kindOf(options);
    throw new OpError(op, `the options are ${kind}, expected an object`, `Pass { ${Object.keys(names).join(", ")} }, or some of them.`);
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(names, name)) {
      throw new OpError(op, `there is no option ${name}`, `It takes ${Object.keys(names).join(", ")}.`);
    }
  }
  return options;
}
