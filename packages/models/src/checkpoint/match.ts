import { type Shape, SnoopiError, show } from "@snoopi/core";
import { canonicalNames, fitsShape, type NameRule } from "./names.ts";
import type { TensorEntry } from "./safetensors-header.ts";

/** How a file's tensors match a network's parameters. */
export interface WeightsMatch {
  /** Parameter → name in the file, for all that fit. */
  readonly names: ReadonlyMap<string, string>;
  /** Parameters that the file lacks. */
  readonly missing: readonly string[];
  /** Names in the file that no parameter has: worth a warning. */
  readonly unexpected: readonly string[];
  /** Parameters whose stored shape does not fit. */
  readonly misshapen: readonly { readonly name: string; readonly stored: Shape; readonly wanted: Shape }[];
  /** Names in the file that are known not to be parameters. */
  readonly dropped: readonly string[];
}

/** Compares the tensors of a file with the parameters of our network, as its manifest lists them. */
export function matchWeights(
  kind: NameRule,
  entries: ReadonlyMap<string, TensorEntry>,
  manifest: ReadonlyMap<string, Shape>,
): WeightsMatch {
  const { names: stored, dropped } = canonicalNames(kind, entries.keys());
  const names = new Map<string, string>();
  const missing: string[] = [];
  const misshapen: { name: string; stored: Shape; wanted: Shape }[] = [];
  for (const [name, wanted] of manifest) {
    const from = stored.get(name);
    const shape = from === undefined ? undefined : entries.get(from)?.shape;
    if (from === undefined || shape === undefined) missing.push(name);
    else if (!fitsShape(shape, wanted)) misshapen.push({ name, stored: shape, wanted });
    else names.set(name, from);
  }
  const unexpected = [...stored].filter(([name]) => !manifest.has(name)).map(([, from]) => from);
  return { names, missing, unexpected, misshapen, dropped };
}

/** Throws when a parameter is missing or has another shape, and lists all of them. `name` is the component's. */
export function requireMatch(match: WeightsMatch, name: string): void {
  const problems: string[] = [];
  if (match.missing.length > 0) problems.push(`${count(match.missing.length)} missing: ${match.missing.join(", ")}`);
  if (match.misshapen.length > 0) {
    const list = match.misshapen.map((one) => `${one.name} is ${show(one.stored)} in the file and ${show(one.wanted)} in the model`);
    problems.push(`${count(match.misshapen.length)} of another shape: ${list.join(", ")}`);
  }
  if (problems.length > 0) throw new SnoopiError(`${name}: ${problems.join("; ")}. The config and the weights are not of the same model.`);
}

const count = (n: number) => (n === 1 ? "1 tensor" : `${n} tensors`);
