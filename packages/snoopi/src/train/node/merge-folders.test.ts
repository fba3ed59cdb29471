import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { convert, type DType, toNumbers } from "@snoopi/core";
import { openComponentWeights } from "@snoopi/models";
import { nodeFolder, writeSafetensors } from "@snoopi/models/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { editJson } from "../../../../../test/cli/broken-model.ts";
import { tiny } from "../../../../../test/cli/command.ts";
import { openModel } from "../../pipeline/open.ts";
import { mergeFolders } from "./merge-folders.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-merge-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const [a, b] = ["a", "b"].map((name) => join(home, name));

async function read(model: string) {
  const weights = await openComponentWeights(nodeFolder(join(model, "unet")));
  const found = new Map<string, { dtype: DType; shape: readonly number[]; values: readonly number[] }>();
  for (const name of weights.entries.keys()) {
    const { dtype, shape, data } = await weights.read(name);
    found.set(name, { dtype, shape, values: [...toNumbers(dtype, data)] });
  }
  await weights.close();
  return found;
}

/** Makes a UNet's weights others, of a type. */
async function write(model: string, dtype: DType, of: (value: number, i: number) => number): Promise<void> {
  const tensors = [...(await read(model))].map(([name, { shape, values }]) => {
    return [name, { dtype, shape, data: convert("f32", Float32Array.from(values, of), dtype) }] as const;
  });
  await writeSafetensors(join(model, "unet", "diffusion_pytorch_model.safetensors"), tensors);
}

beforeAll(async () => {
  for (const model of [a, b]) {
    cpSync(tiny("sd15"), model, { recursive: true });
    editJson(join(model, "unet", "config.json"), (json) => (json._name_or_path = model));
  }
  await write(b, "f32", (value, i) => 0.5 * value + 0.01 * (i % 3));
});

test.each<[DType, number]>([
  ["f32", 2 ** -22],
  // Rounded to 11 digits when it is stored.
  ["f16", 2 ** -11],
])("two students become one of A's type, %s, whose weights lie between, and whose rest is A's", async (dtype, near) => {
  await write(a, dtype, (value) => value);
  const out = join(home, dtype);
  const counts: string[] = [];
  await mergeFolders({ a, b, out, lambda: 0.25, onTensor: (done, total) => counts.push(`${done} of ${total}`) });
  const [one, other, merged] = [await read(a), await read(b), await read(out)];
  expect([...merged.keys()].sort()).toEqual([...one.keys()].sort());
  for (const [name, { shape, values, ...found }] of merged) {
    expect([found.dtype, shape]).toEqual([dtype, one.get(name)!.shape]);
    const [x, y] = [one.get(name)!.values, other.get(name)!.values];
    for (const [i, value] of values.entries()) {
      const [mine, theirs] = [0.25 * x[i], 0.75 * y[i]];
      expect(Math.abs(value - (mine + theirs))).toBeLessThanOrEqual(near * (Math.abs(mine) + Math.abs(theirs)) + 2 ** -25);
    }
  }
  expect(counts.at(-1)).toBe(`${merged.size} of ${merged.size}`);
  expect(readdirSync(out).sort()).toEqual(["model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"]);
  for (const file of ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "vae/config.json"])
    expect(JSON.parse(readFileSync(join(out, file), "utf8"))).toEqual(JSON.parse(readFileSync(join(a, file), "utf8")));
  expect((await openModel(nodeFolder(out))).ignored).toEqual([]);
});

test("students of two forms, and a result in the place of one of them, are refused before anything is written", async () => {
  const refused = async (edit: (model: string) => void, says: string) => {
    const other = mkdtempSync(join(home, "other-"));
    cpSync(b, other, { recursive: true });
    edit(other);
    await expect(mergeFolders({ a, b: other, out: join(home, "none"), lambda: 0.5 })).rejects.toThrow(says);
    expect(existsSync(join(home, "none"))).toBe(false);
  };
  const changed = (file: string, change: object) => (model: string) => editJson(join(model, file), (json) => Object.assign(json, change));
  await refused(changed("unet/config.json", { norm_eps: 0.5 }), "norm_eps is 0.5 there and 0.00001 here. Merge two of one form.");
  await refused(
    changed("scheduler/scheduler_config.json", { beta_end: 0.5 }),
    "beta_end is 0.5 there and 0.012 here. Merge two of one form.",
  );
  for (const out of [a, b])
    await expect(mergeFolders({ a, b, out, lambda: 0.5 })).rejects.toThrow(`merge: --out is the student's folder ${out}. Give another`);
});
