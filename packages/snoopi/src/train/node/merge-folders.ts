import { join } from "node:path";
import { convert, cpu, fromData, SnoopiError, type Tensor } from "@snoopi/core";
import { readConfig, subfolder, type TensorData, type TensorReader } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { mergeStudents } from "../../distill/merge.ts";
import { openModel } from "../../pipeline/open.ts";
import { differences } from "../schema.ts";
import { writeComponent } from "./component.ts";
import { checkFolders, writeIndex } from "./student-folder.ts";
import { copying, takeComponents } from "./take-components.ts";

export interface MergeFoldersOptions {
  readonly a: string;
  readonly b: string;
  readonly out: string;
  readonly lambda: number;
  readonly signal?: AbortSignal;
  /** Called after each tensor with how many are merged, and of how many. */
  readonly onTensor?: (done: number, total: number) => void;
}

/** What may differ between configs: who wrote them, and from where. */
const origins = ["_diffusers_version", "_name_or_path"];

/**
 * Merges two students into a third, which is A but for the weights of its network: λ·A + (1 − λ)·B, in A's types. Tensors are read one by
 * one, so that only the merged ones are all in memory.
 *
 * @throws SnoopiError for students of which network or scheduler differ, saying how, and where one of them would be overwritten.
 */
export async function mergeFolders({ a, b, out, lambda, signal, onTensor }: MergeFoldersOptions): Promise<void> {
  for (const student of [a, b]) checkFolders(student, out, { command: "merge", what: "student" });
  const [first, second] = [await openModel(nodeFolder(a)), await openModel(nodeFolder(b))];
  const { component } = first.network;
  const configOf = (student: string, part: string) => readConfig(subfolder(nodeFolder(student), part));
  for (const part of [component, "scheduler"]) {
    const different = differences(await configOf(b, part), await configOf(a, part), origins);
    if (different.length === 0) continue;
    throw new SnoopiError(
      `${join(b, part)}: it is of another config than ${join(a, part)}: ${different.join("; ")}. Merge two of one form.`,
    );
  }
  const merged = new Map<string, TensorData>();
  const [one, other] = [await first.weights(component), await second.weights(component)];
  try {
    const names = [...new Set([...one.entries.keys(), ...other.entries.keys()])];
    for (const name of names) {
      signal?.throwIfAborted();
      const [x, y] = [await tensorOf(one, name), await tensorOf(other, name)];
      const found = mergeStudents(x, y, { lambda }).get(name)!;
      const { shape, dtype } = found;
      // As numbers f16 comes widened.
      merged.set(name, { shape, dtype, data: convert(dtype === "f16" ? "f32" : dtype, await found.data(), dtype) });
      for (const t of [found, ...x.values(), ...y.values()]) t.dispose();
      onTensor?.(merged.size, names.length);
    }
  } finally {
    await one.close();
    await other.close();
  }
  const take = copying("merge again");
  await takeComponents(a, out, take);
  await take(join(a, "scheduler"), join(out, "scheduler"));
  await writeComponent(join(out, component), { config: await configOf(a, component), weights: merged, library: "diffusers" });
  await writeIndex(out, a);
}

/** A tensor by its name, if there is one. */
async function tensorOf(weights: TensorReader, name: string): Promise<ReadonlyMap<string, Tensor>> {
  if (!weights.entries.has(name)) return new Map();
  const { data, shape, dtype } = await weights.read(name);
  return new Map([[name, fromData(data, { shape, dtype, device: cpu })]]);
}
