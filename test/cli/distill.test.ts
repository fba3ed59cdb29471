import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, root, snoopi, start, temporary, tiny } from "./command.ts";
import { killedAgain } from "./kills.ts";

// `snoopi distill` in processes that are stopped and killed. The miniature is small enough for the CPU.

const folder = temporary();
afterAll(() => folder.remove());
const json = {
  ...{ prompts: "prompts.txt", size: 16, steps: 8, batch: 1, checkpointEvery: 1, sampleEvery: 0, snapshotEvery: 3 },
  pairs: { count: 4, batch: 1, steps: 2 },
  regression: { steps: 3, batch: 2 },
  student: { rate: { peak: 1e-4 } },
  loraTeacher: { rank: 2, alpha: 4 },
  clip: { weight: 0 },
};
const config = join(folder.path, "distill.json");
const words = (out: string, ...more: string[]) => [
  ...["distill", "--config", config, "--model", tiny("sd15"), "--out", join(folder.path, out), "--device", "cpu"],
  ...more,
];
const unet = "unet/diffusion_pytorch_model.safetensors";
const snapshots = ["step-000000", "step-000003", "step-000006"];
const files = [
  ...["training/distill/checkpoint.safetensors", "training/distill/loss.csv", unet],
  ...snapshots.map((name) => `snapshots/${name}/${unet}`),
];
const read = (out: string) => files.map((file) => readFileSync(join(folder.path, out, file)));

beforeAll(() => {
  build();
  writeFileSync(join(folder.path, "prompts.txt"), "a cat\na dog\n");
  writeFileSync(config, JSON.stringify(json));
});

describe("snoopi distill", () => {
  /** Milliseconds of the whole run. */
  let took: number;

  test("says how each phase goes and leaves a pipeline that snoopi generate takes", async () => {
    const begin = performance.now();
    const { code, stdout, stderr } = await snoopi(words("whole"));
    took = performance.now() - begin;
    expect([code, stdout]).toEqual([0, `student: snoopi generate --model ${join(folder.path, "whole")}\n`]);
    for (const line of ["pairs: 4 in ", "regression: 3 in ", "distill: 8 in "]) expect(stderr).toContain(line);
    expect(readdirSync(join(folder.path, "whole", "training", "distill")).sort()).toEqual([
      ...["checkpoint.safetensors", "loss.csv", "loss.svg", "sample-000008.png"],
    ]);
    expect(readdirSync(join(folder.path, "whole", "snapshots")).sort()).toEqual(snapshots);
    const picture = join(folder.path, "cat.png");
    const model = join(folder.path, "whole");
    const made = await snoopi([
      "generate",
      "--model",
      model,
      "--prompt",
      "a cat",
      "--out",
      picture,
      "--device",
      "cpu",
      "--width",
      "16",
      "--height",
      "16",
    ]);
    expect([made.code, readFileSync(picture).length > 0]).toEqual([0, true]);
    // Its folder says what it is.
    expect(made.stderr).toContain("\nmodel: whole, 1 step\n");
  });

  test("stops at Ctrl-C with a checkpoint, and goes on to the same bits", { timeout: 300_000 }, async () => {
    const { child, ended } = start(words("stopped"));
    while (!there("stopped", "training/distill/checkpoint.safetensors")) await setTimeout(20);
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/snoopi: stopped after \d of 8 steps of distill\. Go on with --resume\.$/);
    const resumed = await snoopi(words("stopped", "--resume"));
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringMatching(/distill: 8, from \d/)]);
    expect(read("stopped")).toEqual(read("whole"));
  });

  test("killed at ten random moments keeps its checkpoints, and resumed ends with the same bits", { timeout: 900_000 }, async () => {
    // From before the first picture to well into the distillation.
    const folders = ["regression", "distill"].map((phase) => join(folder.path, "killed", "training", phase));
    expect(await killedAgain(() => start(words("killed", "--resume")), { kills: 10, within: took / 4, folders })).toBeGreaterThan(0);
    expect((await snoopi(words("killed", "--resume"))).code).toBe(0);
    expect(read("killed")).toEqual(read("whole"));
    const left = readdirSync(join(folder.path, "killed"), { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /\.tmp$|\.lock/.test(name))).toEqual([]);
  });

  test("begins with the pairs and the regression of another student, and does not where they are of another config", async () => {
    const { code, stderr } = await snoopi(words("begun", "--set", "seed=1", "--set", "startSeed=0", "--start", join(folder.path, "whole")));
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("regression:")]);
    expect(stderr).toContain("distill: 8 in ");
    expect(read("begun").at(-3)).toEqual(read("whole").at(-3));
    expect(read("begun").at(-1)).not.toEqual(read("whole").at(-1));
    const refused = await snoopi(words("other", "--set", "seed=1", "--start", join(folder.path, "whole")));
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("seed is 0 there and 1 here. Take its config, with startSeed"),
    ]);
  });

  test("refuses a folder that another run has", async () => {
    const at = join(folder.path, "taken", "training", "distill");
    mkdirSync(at, { recursive: true });
    const { child, ended } = start(words("taken"));
    while (!there("taken", "training/pairs/.lock")) await setTimeout(5);
    const second = await snoopi(words("taken"));
    child.kill("SIGKILL");
    await ended;
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining(`process ${child.pid} is at work in it`)]);
  });

  test.each([
    [["distill"], "snoopi: distill: --config FILE is missing. See snoopi distill --help."],
    [["distill", "--config", "x.json", "--model", "m"], "snoopi: distill: --out DIR is missing. See snoopi distill --help."],
    [
      ["distill", "--config", "x.json", "--budget", "3", "--model", "m", "--out", "x"],
      "snoopi: distill: --budget is for --dry-run. Leave it out.",
    ],
  ])("refuses %j", async (argv, message) => {
    expect(await snoopi(argv)).toEqual({ code: 1, stdout: "", stderr: message });
  });

  test("refuses keys that are unknown or contradict each other in one line each", async () => {
    const path = join(folder.path, "bad.json");
    const refused = async (of: unknown) => {
      writeFileSync(path, JSON.stringify(of));
      return (await snoopi(["distill", "--config", path, "--dry-run", "--device", "cpu"])).stderr;
    };
    expect(await refused({ stps: 3, student: { lr: 1 } })).toContain("snoopi: config: stps, student.lr are unknown.");
    expect(await refused({ regression: { steps: 3 } })).toBe(
      "snoopi: config: regression.steps is 3 and pairs.count 0. Give pairs to learn from.",
    );
    expect(await refused({ method: { name: "sds" }, ahead: 2 })).toBe("snoopi: config: ahead is 2, and method sds has no LoRA teacher.");
  });

  test("counts a step of Stable Diffusion 1.5 without weights, and says whether it fits", async () => {
    const { code, stdout } = await snoopi([
      ...["distill", "--config", join(root, "packages/snoopi/configs/pg-sb-sd15-lora.json")],
      ...["--dry-run", "--device", "cpu", "--budget", "20"],
    ]);
    expect(code).toBe(0);
    for (const line of [
      "teacher 859,520,964, frozen",
      "LoRA teacher 6,377,472",
      "configs/taesd, counted as TAESD's (madebyollin/taesd)",
      "activations and workspace",
      "TFLOP",
      "fits into the budget of 20 GiB",
    ])
      expect(stdout).toContain(line);
  });

  test("counts a step of the teacher that ships where there is neither a model nor a preset", async () => {
    const tinyConfig = join(root, "packages/snoopi/configs/tiny-pg-sb.json");
    const { code, stdout, stderr } = await snoopi(["distill", "--config", tinyConfig, "--dry-run", "--device", "cpu"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/\nparameters: teacher 1,\d{3},\d{3}, frozen\n/);
  });

  test("says which batch would fit where one does not, with keys said on the line", async () => {
    const { code, stdout } = await snoopi([
      ...["distill", "--config", join(root, "packages/snoopi/configs/pg-sb-sd15-lora.json"), "--dry-run", "--device", "cpu"],
      ...["--budget", "6", "--set", "clip.weight=0", "--set=batch=8"],
    ]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/GiB: does not fit into the budget of 6 GiB\n.*a batch of ([4-6]) would fit, --set batch=\1\n/s);
    expect(stdout).toMatch(/\nas many pictures an update, 4 at a time: --set batch=4 --set accumulate=2, about 4\.\d+ GiB\n$/);
  });
});

function there(out: string, file: string): boolean {
  try {
    readFileSync(join(folder.path, out, file));
    return true;
  } catch {
    return false;
  }
}
