import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, snoopi, start, temporary } from "./command.ts";
import { killedAgain, stepOf } from "./kills.ts";

// `snoopi train` in processes that are stopped and killed. The miniature is small enough for the CPU.

const folder = temporary();
afterAll(() => folder.remove());
beforeAll(build);

const tower = { hiddenSize: 16, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, projectionDim: 16 };
const json = { batch: 4, checkpointEvery: 1, sampleEvery: 10, network: { imageSize: 16, ...tower } };
const configOf = (steps: number) => {
  const path = join(folder.path, `clip-${steps}.json`);
  writeFileSync(path, JSON.stringify({ ...json, steps }));
  return path;
};
const words = (out: string, steps: number, ...more: string[]) => [
  ...["train", "clip", "--config", configOf(steps), "--out", join(folder.path, out), "--device", "cpu"],
  ...more,
];
const read = (out: string, file: string) => readFileSync(join(folder.path, out, "training", "clip", file));

describe("snoopi train", () => {
  /** Milliseconds of the whole run. */
  let took: number;

  test("trains, says how it goes, and leaves components, curves and sheets", async () => {
    const begin = performance.now();
    const { code, stdout, stderr } = await snoopi(words("whole", 30));
    took = performance.now() - begin;
    expect([code, stderr.includes("clip: 30 in ")]).toEqual([0, true]);
    expect(stdout).toMatch(/^clip: of 192 full captions the right one for 0\.\d+ of 256 unseen pictures, in .*text_encoder\n$/);
    expect(readdirSync(join(folder.path, "whole")).sort()).toEqual(["clip", "text_encoder", "tokenizer", "training"]);
    const files = ["checkpoint.safetensors", "loss.csv", "loss.svg", "sample-000010.png", "sample-000020.png", "sample-000030.png"];
    expect(readdirSync(join(folder.path, "whole", "training", "clip")).sort()).toEqual(files);
  });

  test("stops at Ctrl-C with a checkpoint, and goes on to the same bits", async () => {
    const { child, ended } = start(words("stopped", 30));
    await firstCheckpoint("stopped");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/snoopi: stopped after \d+ of 30 steps, with a checkpoint\. Go on with --resume\.$/);
    expect((await snoopi(words("stopped", 30, "--resume"))).code).toBe(0);
    for (const file of ["checkpoint.safetensors", "loss.csv"]) expect(read("stopped", file)).toEqual(read("whole", file));
  });

  test("that cannot write its last checkpoint says so, though it was stopped", async () => {
    const steps = 100_000;
    const path = configOf(steps);
    writeFileSync(path, JSON.stringify({ ...json, steps, checkpointEvery: steps, sampleEvery: 1 }));
    const at = join(folder.path, "blocked", "training", "clip");
    const { child, ended } = start(["train", "clip", "--config", path, "--out", join(folder.path, "blocked"), "--device", "cpu"]);
    while (!existsSync(join(at, "sample-000001.png"))) await setTimeout(20);
    // A folder in its place fails as a full disk does.
    mkdirSync(join(at, "checkpoint.safetensors"));
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect([code, stderr.split("\n").at(-1)]).toEqual([
      1,
      expect.stringMatching(/checkpoint\.safetensors: it cannot be written, .* There is no checkpoint yet\.$/),
    ]);
  });

  test("killed at ten random moments keeps its checkpoint, and resumed ends with the same bits", { timeout: 300_000 }, async () => {
    const at = join(folder.path, "killed", "training", "clip");
    const between = await killedAgain(() => start(words("killed", 30, "--resume")), { kills: 10, within: took / 3, folders: [at] });
    expect(between).toBeGreaterThan(0);
    const step = await stepOf(at);
    const { code, stderr } = await snoopi(words("killed", 30, "--resume"));
    expect([code, stderr]).toEqual([0, expect.stringContaining(`clip: 30, from ${step}\n`)]);
    for (const file of ["checkpoint.safetensors", "loss.csv"]) expect(read("killed", file)).toEqual(read("whole", file));
  });

  test.each([
    [["train"], 'snoopi: train: "" is no stage. Give one of vae, clip, teacher.'],
    [["train", "gan", "--out", "x"], 'snoopi: train: "gan" is no stage. Give one of vae, clip, teacher.'],
    [["train", "vae"], "snoopi: train: --out DIR is missing. See snoopi train --help."],
    [["train", "vae", "--out", "x", "--device", "tpu"], 'snoopi: train: --device is "tpu". Give one of webgpu, cpu, auto.'],
    [["train", "vae", "--out", "x", "--start", "y"], "snoopi: train: --start is for a teacher, and this is vae. Leave it out."],
    [["train", "vae", "--out", "x", "--steps", "3"], "snoopi: train: --steps is no option. See snoopi train --help."],
  ])("refuses %j", async (argv, message) => {
    expect(await snoopi(argv)).toEqual({ code: 1, stdout: "", stderr: message });
  });

  test("refuses a config of unknown keys and a checkpoint of another config in one line each", async () => {
    const path = join(folder.path, "unknown.json");
    writeFileSync(path, JSON.stringify({ stps: 3, network: { depth: 2 } }));
    const unknown = await snoopi(["train", "clip", "--config", path, "--out", join(folder.path, "none")]);
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("snoopi: config: stps, network.depth are unknown.")]);
    const other = await snoopi(words("whole", 31, "--resume"));
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("it is of another config: steps is 30 there and 31 here.")]);
  });

  test("lists every key of a stage's config with its default", async () => {
    const { code, stdout } = await snoopi(["train", "teacher", "--help"]);
    expect(code).toBe(0);
    for (const line of ["steps: 6000", "rate.peak: 0.002", "nullText: 0.1", "network.blockOutChannels: [64,64]"])
      expect(stdout).toContain(line);
  });
});

async function firstCheckpoint(out: string): Promise<void> {
  for (;;) {
    await setTimeout(20);
    try {
      read(out, "checkpoint.safetensors");
      return;
    } catch {
      // Not there yet.
    }
  }
}
