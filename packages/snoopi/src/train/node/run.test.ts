import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, type Device, fillNormal, foldIn, keep, keyFromSeed, linear, mean, mul, square, sub, tensor } from "@snoopi/core";
import { afterAll, describe, expect, test } from "vitest";
import { gpu } from "../../../../../test/gpu.ts";
import type { Rate } from "../rate.ts";
import type { Numbers, Stage } from "../stage.ts";
import { checkpointPath } from "./checkpoint.ts";
import { type RunOptions, runTraining } from "./run.ts";

// How a run begins, goes on, and fails, on a stage that fits a line through points.

const root = mkdtempSync(join(tmpdir(), "snoopi-train-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(root, `run-${folders++}`);

interface Fit {
  readonly device?: Device;
  /** The step whose batch holds an infinity. */
  readonly infinite?: number;
}

function fit({ device = cpu, infinite = -1 }: Fit = {}): Stage {
  const parameters = { weight: keep(tensor([[0, 0, 0]], { device })), bias: keep(tensor([0], { device })) };
  return {
    name: "fit",
    device,
    parameters,
    batch(step) {
      const x = new Float32Array(24);
      fillNormal(foldIn(keyFromSeed(1), step), 0, x);
      const y = Float32Array.from({ length: 8 }, (_, i) => 2 * x[3 * i] - x[3 * i + 1] + 0.5 * x[3 * i + 2] + 1);
      if (step === infinite) x[3] = Number.POSITIVE_INFINITY;
      const numbers = (shape: number[], data: Float32Array): Numbers => ({ shape, data });
      return { x: numbers([8, 3], x), y: numbers([8, 1], y) };
    },
    loss: ({ x, y }) => ({ loss: mean(square(sub(linear(x, parameters.weight, parameters.bias), y))) }),
  };
}

/** A stage without a bottom: the loss is its one weight. */
function drift(): Stage {
  const parameters = { weight: keep(tensor([0])) };
  const batch = () => ({ x: { shape: [1], data: Float32Array.of(1) } });
  return { name: "drift", device: cpu, parameters, batch, loss: ({ x }) => ({ loss: mean(mul(x, parameters.weight)) }) };
}

const rate: Rate = { peak: 0.1, warmup: 0.1, shape: "linear" };
const settings = { steps: 20, rate, betas: [0.9, 0.99], weightDecay: 0.01, maxNorm: 1, ema: 0.9 } as const;
const config = { steps: 20, nested: { peak: 0.1 }, checkpointEvery: 5 };

function run(folder: string, stage: Stage, more: Partial<RunOptions> = {}) {
  const grey = { width: 1, height: 1, data: new Uint8Array(3) };
  const { signal } = new AbortController();
  const options = { folder, settings, checkpointEvery: 5, sampleEvery: 10, config, resume: false, signal };
  return runTraining(stage, { ...options, sheet: async () => grey, ...more });
}

/** Runs until `steps` steps are taken, as Ctrl-C would have it. */
function stoppedAfter(steps: number): Pick<RunOptions, "signal" | "onStep"> {
  const controller = new AbortController();
  return { signal: controller.signal, onStep: (taken) => taken === steps && controller.abort() };
}

const bytes = (folder: string, file = "checkpoint.safetensors") => readFileSync(join(folder, file));

describe("a run", () => {
  test("moves the loss down, and leaves a checkpoint, curves and sample sheets", async () => {
    const folder = fresh();
    const { finished, steps, weights } = await run(folder, fit());
    expect([finished, steps, [...weights.keys()]]).toEqual([true, 20, ["weight", "bias"]]);
    expect(readdirSync(folder).sort()).toEqual([
      "checkpoint.safetensors",
      "loss.csv",
      "loss.svg",
      "sample-000010.png",
      "sample-000020.png",
    ]);
    const [head, ...rows] = bytes(folder, "loss.csv").toString().trim().split("\n");
    expect(head).toBe("step,loss,norm,rate");
    const losses = rows.map((row) => Number(row.split(",")[1]));
    expect(losses).toHaveLength(20);
    expect(losses[19]).toBeLessThan(0.5 * losses[0]);
  });

  test.each([1, 5, 12, 19])("stopped after %i steps and resumed ends with the same bits", async (steps) => {
    const [whole, parted] = [fresh(), fresh()];
    await run(whole, fit());
    const stopped = await run(parted, fit(), stoppedAfter(steps));
    expect([stopped.finished, stopped.steps]).toEqual([false, steps]);
    const resumed = await run(parted, fit(), { resume: true });
    expect([resumed.finished, resumed.steps]).toEqual([true, 20]);
    for (const file of ["checkpoint.safetensors", "loss.csv", "loss.svg"]) expect(bytes(parted, file)).toEqual(bytes(whole, file));
  });

  test("that is finished is resumed to the same weights without a step", async () => {
    const folder = fresh();
    const first = await run(folder, fit());
    const steps: number[] = [];
    const again = await run(folder, fit(), { resume: true, onStep: (taken) => steps.push(taken) });
    expect(steps).toEqual([20]);
    expect(again.weights).toEqual(first.weights);
  });

  test("begins at step 0 when there is nothing to resume, and says so", async () => {
    const notes: string[] = [];
    const { finished } = await run(fresh(), fit(), { resume: true, onNote: (line) => notes.push(line) });
    expect(finished).toBe(true);
    expect(notes.join()).toContain("there is no checkpoint yet, so this begins at step 0");
  });

  test("removes what a killed run had begun to write, and nothing else", async () => {
    const folder = fresh();
    mkdirSync(folder);
    for (const name of [".checkpoint.safetensors.1a2b.tmp", ".loss.csv.77.tmp", ".sample-000010.png.77.tmp", ".mine.tmp"]) {
      writeFileSync(join(folder, name), "");
    }
    await run(folder, fit(), stoppedAfter(1));
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([".mine.tmp"]);
  });

  test.skipIf(process.platform !== "linux").each(["/proc/snoopi/run", "/dev/null/run", "/dev/null"])(
    "does not begin in %s, where no folder can be made",
    async (folder) => {
      await expect(run(folder, fit())).rejects.toThrow(`${folder}: the folder cannot be made`);
    },
  );

  test("does not begin where there is a checkpoint", async () => {
    const folder = fresh();
    await run(folder, fit(), stoppedAfter(2));
    await expect(run(folder, fit())).rejects.toThrow("there is a checkpoint already. Go on from it with --resume");
  });

  test("refuses a checkpoint of another config and says in what it differs, but for what changes nothing", async () => {
    const folder = fresh();
    await run(folder, fit(), stoppedAfter(2));
    const before = bytes(folder);
    const other = { ...config, steps: 30, nested: { peak: 0.2 } };
    await expect(run(folder, fit(), { resume: true, config: other })).rejects.toThrow(
      "it is of another config: steps is 20 there and 30 here; nested.peak is 0.1 there and 0.2 here.",
    );
    await expect(run(folder, { ...fit(), name: "another" }, { resume: true })).rejects.toThrow('of model "fit" and this is "another"');
    expect(bytes(folder)).toEqual(before);
    await run(folder, fit(), { resume: true, config: { ...config, checkpointEvery: 3 } });
  });

  test("with a number that is not finite stops before it moves, names the tensor, and keeps the state", async () => {
    const [whole, broken] = [fresh(), fresh()];
    await run(whole, fit(), stoppedAfter(7));
    await expect(run(broken, fit({ infinite: 7 }))).rejects.toThrow(
      /fit: step 7 has a loss of .*; the input x is the first that is not finite/,
    );
    expect(bytes(broken)).toEqual(bytes(whole));
    const { finished } = await run(broken, fit(), { resume: true });
    expect(finished).toBe(true);
  });

  // The weight goes down by the rate at each step, and after the seventh it is below −3.4e38, with a loss that was finite until then.
  test.each([
    {
      steps: 20,
      checkpointEvery: 5,
      says: "drift: step 7 has a loss of -Infinity; the parameter weight is the first that is not finite. ",
    },
    { steps: 20, checkpointEvery: 7, says: "drift: after step 6 weights.weight is not finite. There is no checkpoint yet" },
    { steps: 7, checkpointEvery: 5, says: "drift: after step 6 weights.weight is not finite. " },
  ])("whose weights leave f32 keeps the checkpoint before and is not finished: %o", async ({ steps, checkpointEvery, says }) => {
    const [whole, broken] = [fresh(), fresh()];
    const calm = {
      steps,
      betas: [0, 0],
      weightDecay: 0,
      maxNorm: 1,
      ema: 0,
      rate: { peak: 5e37, warmup: 0, shape: "constant" },
    } as const;
    const ended = run(broken, drift(), { settings: calm, checkpointEvery });
    await expect(ended).rejects.toThrow(says);
    await expect(ended).rejects.toThrow("Begin anew with a lower learning rate in another --out.");
    if (checkpointEvery === 7) return expect(existsSync(checkpointPath(broken))).toBe(false);
    await run(whole, drift(), { settings: calm, checkpointEvery, ...stoppedAfter(5) });
    expect(bytes(broken)).toEqual(bytes(whole));
    await expect(ended).rejects.toThrow("checkpoint.safetensors holds the state before step 5. ");
  });

  test.each(["sheet", "snapshot"])("whose weights leave f32 draws no %s of them", async (what) => {
    const [shown, kept]: number[][] = [[], []];
    let taken = 0;
    const more: Partial<RunOptions> = {
      settings: { ...settings, betas: [0, 0], weightDecay: 0, ema: 0, rate: { peak: 5e37, warmup: 0, shape: "constant" } },
      checkpointEvery: 20,
      sampleEvery: what === "sheet" ? 1 : 0,
      onStep: (now) => (taken = now),
      async sheet() {
        shown.push(taken);
        return { width: 1, height: 1, data: new Uint8Array(3) };
      },
      ...(what === "snapshot" && { keep: { every: 1, open: async () => {}, write: async (now: number) => void kept.push(now) } }),
    };
    const folder = fresh();
    // After the seventh step the weight is below −3.4e38.
    await expect(run(folder, drift(), more)).rejects.toThrow(
      "drift: after step 6 weights.weight is not finite. There is no checkpoint yet",
    );
    expect(what === "sheet" ? shown : kept).toEqual([1, 2, 3, 4, 5, 6]);
    expect(existsSync(join(folder, "sample-000007.png"))).toBe(false);
  });

  test.each([
    ["in its header", 100, "the header ends at byte"],
    ["in its tensors", -1, "the tensors end at byte"],
    ["before all", 0, "0 bytes are too few"],
  ])("is not resumed from a checkpoint that was cut short %s, and says what to do", async (_, end, says) => {
    const folder = fresh();
    await run(folder, fit(), stoppedAfter(2));
    writeFileSync(checkpointPath(folder), bytes(folder).subarray(0, end));
    const resumed = run(folder, fit(), { resume: true });
    await expect(resumed).rejects.toThrow(`${checkpointPath(folder)}: it cannot be read, ${says}`);
    await expect(resumed).rejects.toThrow(/[^.]\. Remove it to begin again, or put another copy in its place\.$/);
  });

  test("that cannot write leaves the checkpoint before in place, and says of which step it is", async () => {
    const folder = fresh();
    // A folder where the curve should go fails as a full disk does: at the next write.
    const blocked = run(folder, fit(), {
      onStep(taken) {
        if (taken !== 7) return;
        rmSync(join(folder, "loss.csv"));
        mkdirSync(join(folder, "loss.csv"));
      },
    });
    await expect(blocked).rejects.toThrow("The checkpoint of step 5 is as it was");
    rmSync(join(folder, "loss.csv"), { recursive: true });
    const whole = fresh();
    await run(whole, fit(), stoppedAfter(5));
    expect(readFileSync(checkpointPath(folder))).toEqual(bytes(whole));
    expect(readdirSync(folder).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  test.skipIf(!gpu.device)("stopped and resumed on WebGPU ends within float noise of the whole one", async () => {
    const device = gpu.device!;
    const whole = await run(fresh(), fit({ device }));
    const folder = fresh();
    await run(folder, fit({ device }), stoppedAfter(9));
    const resumed = await run(folder, fit({ device }), { resume: true });
    for (const [name, { data }] of whole.weights) {
      // The same kernels on the same numbers: an adapter may round otherwise from run to run, by some units in the last place of f32 a step.
      data.forEach((value, i) => {
        expect(Math.abs(resumed.weights.get(name)!.data[i] - value)).toBeLessThan(20 * 2 ** -22 * Math.max(1, Math.abs(value)));
      });
    }
  });
});
