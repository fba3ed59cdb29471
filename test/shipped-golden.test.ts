import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nodeFolder } from "@snoopi/models/node";
import { decode, loadModel, openModel, planOf, sample } from "@snoopi/snoopi";
import { student, teacher } from "@snoopi/tiny";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { goldenJson, goldenTensors, relativeError } from "./models/goldens.ts";

// What diffusers draws when it loads the folders that ship.

interface Case {
  readonly name: "student" | "teacher";
  readonly prompt: string;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
}

const { cases }: { cases: readonly Case[] } = goldenJson("tiny");
const folders = { student, teacher };

test("diffusers has drawn with every model that ships", () => {
  const shipped = Object.entries(folders).filter(([, folder]) => existsSync(new URL("model_index.json", folder)));
  expect(shipped.length).toBeGreaterThan(0);
  expect(cases.map(({ name }) => name)).toEqual(shipped.map(([name]) => name));
});

describe.each(devices)("on $name", ({ device }) => {
  test.each(cases)("the $name that ships draws diffusers' latents and picture", async ({ name, prompt, seed, steps, guidance }) => {
    const golden = await goldenTensors("tiny");
    using loaded = await loadModel(await openModel(nodeFolder(fileURLToPath(folders[name]))), { device });
    // A student's steps and want of guidance are its own defaults.
    const latents = await sample(loaded, planOf(loaded.model, { prompt, seed, ...(name === "teacher" && { steps, guidance }) }));
    const error = await relativeError(latents, golden(`${name}.latents`));
    const { data } = await decode(loaded, latents);
    latents.dispose();
    const expected = await golden(`${name}.image`).data();
    // Sums of f32 in another order: each layer rounds by 1e-6 or so, and the scripts that wrote this print by how little noise that is off by
    // as much moves a picture.
    expect(error).toBeLessThan(1e-4);
    expect(Math.max(...data.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(1);
    expect(data.length).toBe(expected.length);
  });
});
