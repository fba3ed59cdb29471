import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodePng } from "@snoopi/snoopi";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { gpu } from "../gpu.ts";
import { goldenFolder } from "../models/goldens.ts";
import { build, snoopi, start, temporary, tiny, withoutAdapter } from "./command.ts";

let folder: ReturnType<typeof temporary>;
let out: string;
beforeAll(build);
beforeEach(() => {
  folder = temporary();
  out = join(folder.path, "picture.png");
});
afterEach(() => folder.remove());

// These models are no students: they would take 25 steps where none are said.
const make = (...rest: string[]) => {
  const steps = rest.includes("--steps") ? [] : ["--steps", "1"];
  return snoopi(["generate", "--prompt", "a red cat", "--out", out, "--device", "cpu", ...steps, ...rest]);
};
const picture = () => decodePng(readFileSync(out));

/** Without the lines that tell every ten seconds how far it is: a busy machine prints some. */
const phases = (stderr: string): string => stderr.replaceAll(/^\w+: \d+%, .*\n/gm, "");

describe("one step", () => {
  test.each([
    ["sd15", 64],
    ["sd21", 96],
    ["third", 40],
  ] as const)("makes a picture of the model's own size from %s-tiny and prints its path", async (name, size) => {
    const { code, stdout, stderr } = await make("--model", tiny(name));
    expect(phases(stderr)).toMatch(
      /^device: cpu\nmodel: \S+-tiny, 1 step\nload: .*\nload: .* in .*\ntext: 1\ntext: 1 in .*\nsteps: 1\nsteps: 1 in .*\ndecode\ndecode: .*$/,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}\n` });
    const { width, height, data, text } = await picture();
    expect([width, height]).toEqual([size, size]);
    // More than one colour: random weights make texture, a broken run makes a plain.
    expect(new Set(data).size).toBeGreaterThan(20);
    expect(text).toEqual({
      prompt: "a red cat",
      seed: "0",
      width: String(size),
      height: String(size),
      steps: "1",
      model: `${name}-tiny`,
      software: "snoopi 0.1.0",
    });
    expect(readdirSync(folder.path)).toEqual(["picture.png"]);
  });

  test("keeps away from a negative by NASA, and says so in the file", async () => {
    await make("--model", tiny("sd15"));
    const plain = await picture();
    const { code } = await make("--model", `${tiny("sd15")}/`, "--negative", "dog");
    expect(code).toBe(0);
    const steered = await picture();
    expect(steered.text).toMatchObject({ negative_prompt: "dog", nasa_scale: "0.5", model: "sd15-tiny" });
    expect(steered.text).not.toHaveProperty("guidance_scale");
    expect(steered.data).not.toEqual(plain.data);
  });

  test.each([
    ["nag", "2"],
    ["neutral", "1"],
    ["subtract", "1"],
    ["cfg", "1.5"],
  ])("keeps away from a negative by %s at its default scale, and says so in the file", async (name, scale) => {
    await make("--model", tiny("third"));
    const plain = await picture();
    const { code, stderr } = await make("--model", tiny("third"), "--negative", "dog", "--guidance", name);
    expect(stderr).toContain(`text: ${name === "neutral" ? 3 : 2} in `);
    expect(code).toBe(0);
    const steered = await picture();
    expect(steered.text).toMatchObject({ negative_prompt: "dog", guidance_scale: scale, ...(name !== "cfg" && { guidance: name }) });
    expect(steered.text).not.toHaveProperty("nasa_scale");
    expect(steered.data).not.toEqual(plain.data);
    expect((await make("--model", tiny("third"), "--negative", "dog", "--guidance", name, "--guidance-scale", "7")).code).toBe(0);
    expect((await picture()).data).not.toEqual(steered.data);
  });

  test("gives the same bytes for the same seed, and others for another", async () => {
    const bytes = async (seed: string) => {
      expect((await make("--model", tiny("third"), "--seed", seed)).code).toBe(0);
      return readFileSync(out);
    };
    const first = await bytes("7");
    expect((await bytes("7")).equals(first)).toBe(true);
    expect((await bytes("8")).equals(first)).toBe(false);
  });

  test("makes any multiple of the VAE's factor", async () => {
    expect((await make("--model", tiny("sd15"), "--width", "72", "--height", "40")).code).toBe(0);
    expect(await picture()).toMatchObject({ width: 72, height: 40, text: { width: "72", height: "40" } });
  });

  test.skipIf(!gpu.device)("on the GPU differs from the CPU by at most one of 255 levels", async () => {
    await make("--model", tiny("sd15"));
    const { data: expected } = await picture();
    const { code, stderr } = await make("--model", tiny("sd15"), "--device", "webgpu").then(async () =>
      snoopi(["generate", "--prompt", "a red cat", "--out", out, "--model", tiny("sd15"), "--steps", "1"]),
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/^device: webgpu, /);
    const { data } = await picture();
    // Sums in another order may move a value across a rounding edge, never by more.
    expect(Math.max(...data.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThanOrEqual(1);
  });

  test("runs on the CPU where there is no adapter, and says why", async () => {
    const { code, stderr } = await snoopi(
      ["generate", "--prompt", "a cat", "--out", out, "--model", tiny("third"), "--steps", "1"],
      withoutAdapter,
    );
    expect(code).toBe(0);
    expect(stderr.split("\n")[0]).toBe(
      "device: cpu, because there is no adapter on this machine. With a WebGPU adapter it is faster, and Mesa's lavapipe is one that needs no GPU (npm run setup in snoopi's repository).",
    );
  });
});

describe("several steps", () => {
  test("are 25 of DDIM for a model that is no student, and guided", async () => {
    const { code, stderr } = await snoopi(["generate", "--model", tiny("third"), "--prompt", "a", "--out", out, "--device", "cpu"]);
    expect(code).toBe(0);
    expect(stderr).toContain("\nmodel: third-tiny, 25 steps with guidance 7.5\n");
    expect((await picture()).text).toMatchObject({ steps: "25", guidance_scale: "7.5" });
  });

  test("are guided by 7.5 unless told otherwise, with the negative in the second pass", async () => {
    const { code, stderr } = await make("--model", tiny("third"), "--steps", "3", "--negative", "dog");
    expect(code).toBe(0);
    expect(phases(stderr)).toMatch(/text: 2 in .*\nsteps: 3\nsteps: 3 in /);
    expect((await picture()).text).toMatchObject({ steps: "3", guidance_scale: "7.5", negative_prompt: "dog" });
    expect((await picture()).text).not.toHaveProperty("nasa_scale");
  });

  test("without guidance take one pass each", async () => {
    const { code } = await make("--model", tiny("third"), "--steps", "2", "--guidance", "1");
    expect(code).toBe(0);
    expect((await picture()).text).toMatchObject({ steps: "2" });
    expect((await picture()).text).not.toHaveProperty("guidance_scale");
  });
});

describe("a LoRA", () => {
  const lora = join(goldenFolder, "lora");

  test("changes the picture, is said, and stands in the file", async () => {
    await make("--model", tiny("sd15"), "--steps", "4", "--sampler", "lcm");
    const { data: plain, text } = await picture();
    expect(text).toMatchObject({ steps: "4", sampler: "lcm" });
    const { code, stderr } = await make(
      "--model",
      tiny("sd15"),
      "--steps",
      "4",
      "--sampler",
      "lcm",
      "--lora",
      `${lora}/kohya.safetensors:0.7`,
    );
    expect(code).toBe(0);
    expect(stderr).toContain("\nmodel: sd15-tiny with kohya.safetensors:0.7, 4 steps\n");
    const { data, text: said } = await picture();
    expect(said.loras).toBe("kohya.safetensors:0.7");
    expect(data.some((value, i) => Math.abs(value - plain[i]!) > 20)).toBe(true);
    // The folder holds one of the usual name, with the same numbers.
    await make("--model", tiny("sd15"), "--steps", "4", "--sampler", "lcm", "--lora", `${lora}:0.7`);
    expect(Math.max(...(await picture()).data.map((value, i) => Math.abs(value - data[i]!)))).toBeLessThanOrEqual(1);
  });

  test.each([
    [
      "that is not there",
      "nowhere.safetensors",
      "snoopi: nowhere.safetensors: there is no such LoRA. Give its .safetensors file, or its folder.",
    ],
    [
      "of another model",
      lora,
      `snoopi: ${lora}/pytorch_lora_weights.safetensors: text_encoder.encoder.layers.0.mlp.fc1 is made for a weight of 128 × 32`,
    ],
  ])("%s is refused before weights are read", async (_, path, line) => {
    const { code, stderr } = await make("--model", tiny("sd21"), "--variant", "fp16", "--lora", path);
    expect(code).toBe(1);
    expect(stderr).toContain(line);
    expect(stderr).not.toContain("load:");
  });
});

describe("the file", () => {
  test("replaces the one a link points to and leaves the link", async () => {
    const target = join(folder.path, "target.png");
    writeFileSync(target, "old");
    symlinkSync(target, out);
    expect((await make("--model", tiny("third"))).code).toBe(0);
    expect(readFileSync(target).subarray(1, 4).toString()).toBe("PNG");
    expect(readdirSync(folder.path).sort()).toEqual(["picture.png", "target.png"]);
  });

  test("may have any name, and the prompt any characters", async () => {
    out = join(folder.path, "ein Bild 🐈.png");
    const prompt = 'une "chatte"\n火 🐈';
    const { code, stdout } = await make("--model", tiny("third")).then(() =>
      snoopi(["generate", "--model", tiny("third"), "--prompt", prompt, "--out", out, "--device", "cpu", "--steps", "1"]),
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}\n` });
    expect((await picture()).text.prompt).toBe(prompt);
  });
});

test("a prompt that is too long is cut with a warning", async () => {
  const { code, stderr } = await snoopi([
    "generate",
    "--model",
    tiny("third"),
    "--prompt",
    "cat ".repeat(200),
    "--steps",
    "1",
    "--out",
    out,
    "--device",
    "cpu",
  ]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/snoopi: warning: the text is \d+ tokens too long for the model, which reads \d+; its end is cut off: "cat cat /);
});

test("an interrupted run says so, leaves no file and exits with 130", async () => {
  const { child, ended } = start(["generate", "--model", tiny("sd15"), "--prompt", "x", "--steps", "900", "--out", out, "--device", "cpu"]);
  child.stderr!.on("data", (part: string) => part.includes("steps") && child.kill("SIGINT"));
  const { code, stdout, stderr } = await ended;
  expect({ code, stdout, last: stderr.split("\n").at(-1) }).toEqual({
    code: 130,
    stdout: "",
    last: "snoopi: stopped. Nothing was written.",
  });
  expect(existsSync(out) || readdirSync(folder.path).length > 0).toBe(false);
});

describe("several pictures", () => {
  test("are those of their seeds, each in a file that tells it", async () => {
    const { code, stdout, stderr } = await make("--model", tiny("third"), "--seed", "9", "--count", "3");
    const names = [9, 10, 11].map((seed) => `picture-${seed}.png`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: names.map((name) => `${join(folder.path, name)}\n`).join("") });
    expect(stderr).toContain("model: third-tiny, 1 step, 3 pictures\n");
    expect(readdirSync(folder.path).sort()).toEqual(names.sort());
    await make("--model", tiny("third"), "--seed", "11");
    expect(readFileSync(join(folder.path, "picture-11.png"))).toEqual(readFileSync(out));
  });

  test("that were made when it was stopped are kept, and said", async () => {
    const args = ["generate", "--model", tiny("third"), "--prompt", "x", "--steps", "3", "--count", "900", "--out", out, "--device", "cpu"];
    const { child, ended } = start(args);
    child.stdout!.on("data", () => child.kill("SIGINT"));
    const { code, stderr } = await ended;
    const made = readdirSync(folder.path);
    expect(code).toBe(130);
    expect(made.length).toBeGreaterThan(0);
    expect(stderr.split("\n").at(-1)).toBe(`snoopi: stopped. ${made.length} of 900 pictures were written.`);
  });
});

test("a reader that goes away is no error", async () => {
  const { child, ended } = start(["inspect", tiny("sd15")]);
  child.stdout!.destroy();
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
});

test("the command is executable, and says its version and its options", async () => {
  expect(statSync(join(import.meta.dirname, "../../packages/snoopi/bin/snoopi.mjs")).mode & 0o111).not.toBe(0);
  expect(await snoopi(["--version"])).toEqual({ code: 0, stdout: "snoopi 0.1.0\n", stderr: "" });
  expect((await snoopi(["generate", "--help"])).stdout).toContain("--nasa-scale");
});
