import { fromData } from "../create.ts";
import { convert, type DType, type TypedArray } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import type { Key } from "../random/philox.ts";
import { data } from "../realize.ts";
import { scope } from "../scope.ts";
import { type Shape, sameShape, show } from "../shape.ts";
import { noGrad } from "../tape.ts";
import { share, type Tensor } from "../tensor.ts";
import { isRecord } from "../tree.ts";
import { named } from "./named.ts";
import type { PartState, Stateful } from "./state.ts";

/** Parts of training by name: optimisers, averages, scalers, and trees of tensors such as weights. */
export type Parts = Readonly<Record<string, unknown>>;

/** Where training stands, beside its tensors. */
export interface Progress {
  /** Steps taken. */
  readonly step: number;
  /** The key that random numbers are drawn with. Default none. */
  readonly key?: Key;
  /** Identifies the model and its configuration; a state of another one is refused. Default "". */
  readonly model?: string;
}

/** A training state as data: what `writeSafetensors(path, tensors, { metadata })` of `@snoopi/models` writes, whole or not at all. */
export interface SavedState {
  readonly tensors: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape; readonly data: TypedArray }>;
  readonly metadata: Readonly<Record<string, string>>;
}

const field = "snoopi.training";

/** Reads all parts back, each tensor under the name `part.name` and with its stored bits. */
export async function saveState(parts: Parts, { step, key, model = "" }: Progress): Promise<SavedState> {
  return scope(async (s) => {
    const states = s.run(() => statesOf(parts));
    const tensors = new Map<string, { dtype: DType; shape: Shape; data: TypedArray }>();
    for (const [name, t] of tensorsOf(states)) {
      const values = await data(t);
      const bits = t.dtype === "f16" ? convert("f32", values, "f16") : values;
      tensors.set(name, { dtype: t.dtype, shape: t.shape, data: bits });
    }
    const numbers = Object.fromEntries([...states].map(([part, { numbers }]) => [part, numbers]));
    const metadata = { [field]: JSON.stringify({ version: 1, model, step, ...(key && { key }), numbers }) };
    return { tensors, metadata };
  });
}

/**
 * Puts a saved state into parts like those it was saved from, and returns where training stood.
 * @throws SnoopiError before anything changes when it is of another model, or when a tensor is missing, unexpected, or of another shape
 * or type; all are listed.
 */
export function loadState(parts: Parts, saved: SavedState, { model = "" }: Pick<Progress, "model"> = {}): Progress {
  const { numbers, ...progress } = parse(saved.metadata[field]);
  if (progress.model !== model) {
    throw new SnoopiError(`loadState: the state is of model "${progress.model}" and this is "${model}". Load the state of this model.`);
  }
  scope(() => {
    const states = statesOf(parts);
    compare(tensorsOf(states), saved.tensors);
    for (const part of states.keys()) if (!numbers[part]) throw new SnoopiError(`loadState: the state has no part "${part}".`);
    // Weights first: restoring an optimiser reads them.
    const ordered = [...states].sort(([a], [b]) => Number(isStateful(parts[a])) - Number(isStateful(parts[b])));
    for (const [part, state] of ordered) {
      const tensors = Object.fromEntries(
        Object.entries(state.tensors).map(([name, t]) => {
          const { data: values, shape, dtype } = saved.tensors.get(`${part}.${name}`)!;
          return [name, fromData(values, { shape, dtype, device: t.device })];
        }),
      );
      const target = parts[part];
      if (isStateful(target)) target.restore({ numbers: numbers[part], tensors });
      else for (const [name, t] of named(target, "loadState")) t.assign(tensors[name]);
    }
  });
  return progress;
}

const isStateful = (part: unknown): part is Stateful =>
  typeof part === "object" && part !== null && typeof (part as Partial<Stateful>).restore === "function";

const statesOf = (parts: Parts): Map<string, PartState> =>
  noGrad(
    () =>
      new Map(
        Object.entries(parts).map(([name, part]): [string, PartState] => {
          if (isStateful(part)) return [name, part.state()];
          return [name, { numbers: {}, tensors: Object.fromEntries([...named(part, "saveState")].map(([path, t]) => [path, share(t)])) }];
        }),
      ),
  );

const tensorsOf = (states: ReadonlyMap<string, PartState>): [string, Tensor][] =>
  [...states].flatMap(([part, { tensors }]) => Object.entries(tensors).map(([name, t]): [string, Tensor] => [`${part}.${name}`, t]));

/** What the metadata says. */
type Saved = Required<Pick<Progress, "step" | "model">> & Progress & { readonly numbers: Record<string, Record<string, number>> };

function parse(text: string | undefined): Saved {
  if (text === undefined)
    throw new SnoopiError(`loadState: the metadata has no "${field}". This is no saved training: load it as weights.`);
  const damaged = (why: string) =>
    new SnoopiError(`loadState: the metadata "${field}" is damaged: ${why}. Load another copy of the state.`);
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw damaged((error as Error).message);
  }
  const { version, ...rest } = isRecord(found) ? found : {};
  if (version !== 1) throw new SnoopiError(`loadState: the state has version ${version}, and this library reads 1. Update it.`);
  const { step, model, numbers } = rest;
  if (typeof step !== "number" || typeof model !== "string" || !isRecord(numbers))
    throw damaged(`of step, model and numbers it says ${JSON.stringify({ step, model, numbers })}`);
  return rest as unknown as Saved;
}

function compare(wanted: readonly [string, Tensor][], found: SavedState["tensors"]): void {
  const names = new Set(wanted.map(([name]) => name));
  const missing = [...names].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !names.has(name));
  const different = wanted.flatMap(([name, t]) => {
    const stored = found.get(name);
    if (!stored || (sameShape(stored.shape, t.shape) && stored.dtype === t.dtype)) return [];
    return [`${name} is ${stored.dtype} ${show(stored.shape)} in the state and ${t.dtype} ${show(t.shape)} here`];
  });
  const problems = [
    ...(missing.length > 0 ? [`${missing.length} missing: ${missing.join(", ")}`] : []),
    ...(unexpected.length > 0 ? [`${unexpected.length} unexpected: ${unexpected.join(", ")}`] : []),
    ...(different.length > 0 ? [`${different.length} of another shape or type: ${different.join(", ")}`] : []),
  ];
  if (problems.length > 0) throw new SnoopiError(`loadState: ${problems.join("; ")}. The state is of another model or optimiser.`);
}
