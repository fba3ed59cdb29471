import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@snoopi/models/node";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import type { secondName } from "./second-name.ts";
import { takeStart } from "./start.ts";

// The files of a start, as far as taking them over looks into them. What students make of them is in distill-start.test.ts.

/** What happens once, after a file of that name was taken over. */
let meanwhile: { readonly name: string; readonly happens: () => Promise<void> } | undefined;
vi.mock("./second-name.ts", async (original) => {
  const real = await original<{ secondName: typeof secondName }>();
  return {
    secondName: async (from: string, to: string) => {
      await real.secondName(from, to);
      if (!meanwhile || !from.endsWith(meanwhile.name)) return;
      const { happens } = meanwhile;
      meanwhile = undefined;
      await happens();
    },
  };
});

const home = mkdtempSync(join(tmpdir(), "snoopi-start-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
let [start, out] = ["", ""];
const identity = { pairs: { count: 1 }, regression: { steps: 300 }, free: [] };
const take = (resume = false) => takeStart({ start, out, resume }, identity);

const holding = (path: string, of: number, metadata: Record<string, unknown>) =>
  writeSafetensors(path, [["x", { dtype: "f32", shape: [1], data: Float32Array.of(of) }]], {
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, JSON.stringify(value)])),
  });

/** What a run has written after so many steps: as there, the curve first, and each file whole. */
async function saved(student: string, steps: number) {
  const folder = join(student, "training", "regression");
  mkdirSync(folder, { recursive: true });
  for (const name of ["loss.csv", "loss.svg"]) {
    writeFileSync(join(folder, ".tmp"), `${steps} rows`);
    renameSync(join(folder, ".tmp"), join(folder, name));
  }
  await holding(join(folder, "checkpoint.safetensors"), steps, { "snoopi.config": identity.regression });
}

beforeEach(async () => {
  [start, out] = ["start", "out"].map((name) => join(mkdtempSync(join(home, "case-")), name));
  mkdirSync(join(start, "training", "pairs"), { recursive: true });
  await holding(join(start, "training", "pairs", "pairs-00000.safetensors"), 0, { "snoopi.pairs": identity.pairs });
  await saved(start, 100);
});

const file = (student: string, name: string) => readFileSync(join(student, "training", "regression", name));
const stepsOf = (name: string) => Number.parseInt(file(out, name).toString(), 10);
/** Of the last number in it, which is all that it holds. */
const stepsOfCheckpoint = () => {
  const bytes = file(out, "checkpoint.safetensors");
  return bytes.readFloatLE(bytes.length - 4);
};

test.each(["loss.csv", "loss.svg", "checkpoint.safetensors"])(
  "a start that trains on leaves no gap in the curve: it saves when %s has been taken",
  async (name) => {
    let happened = false;
    meanwhile = {
      name,
      async happens() {
        await saved(start, 200);
        happened = true;
      },
    };
    expect(await take()).toBe(true);
    expect(happened).toBe(true);
    expect(stepsOf("loss.csv")).toBeGreaterThanOrEqual(stepsOfCheckpoint());
    expect(readdirSync(join(out, "training", "regression")).sort()).toEqual(["checkpoint.safetensors", "loss.csv", "loss.svg"]);
  },
);

test.each(["loss.csv", "checkpoint.safetensors"])("nor does one that was cut short after %s and is taken again later", async (name) => {
  meanwhile = { name, happens: () => Promise.reject(new Error("killed")) };
  await expect(take()).rejects.toThrow("killed");
  await saved(start, 200);
  expect(await take(true)).toBe(true);
  expect(stepsOf("loss.csv")).toBeGreaterThanOrEqual(stepsOfCheckpoint());
});

test("a student that trains on its own keeps its checkpoint and its curve", async () => {
  await take();
  await saved(out, 150);
  await saved(start, 200);
  await take(true);
  expect([stepsOf("loss.csv"), stepsOfCheckpoint()]).toEqual([150, 150]);
});
