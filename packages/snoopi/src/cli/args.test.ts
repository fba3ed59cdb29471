import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { guidanceNames } from "../pipeline/guidance-plan.ts";
import { samplers } from "../pipeline/sampling.ts";
import { parseCommand, parseConvert, parseGenerate, parseInspect } from "./args.ts";

const least = ["--model", "m", "--prompt", "a fox", "--out", "x.png"];
const defaults = { model: "m", prompt: "a fox", out: "x.png", seed: 0, device: "auto" };

describe("parseGenerate", () => {
  test("fills in what is not given, of which the model that ships is one", () => {
    expect(parseGenerate(least)).toEqual(defaults);
    expect(parseGenerate(["--prompt", "a fox", "--out", "x.png"])).toEqual({ ...defaults, model: "tiny" });
  });

  test("reads every option", () => {
    const words =
      "--negative rain --nasa-scale 0.25 --seed 7 --width 64 --height=128 --steps 4 --guidance 3.5 --device cpu --variant fp16".split(" ");
    expect(parseGenerate([...least, ...words])).toEqual({
      ...defaults,
      ...{ negative: "rain", nasaScale: 0.25, seed: 7, width: 64, height: 128, steps: 4, guidance: 3.5, device: "cpu", variant: "fp16" },
    });
  });

  test("leaves to the model how a negative prompt is kept away, and in how many steps", () => {
    expect(parseGenerate([...least, "--negative", "rain"])).toEqual({ ...defaults, negative: "rain" });
    expect(parseGenerate([...least, "--steps", "2", "--guidance", "-1"])).toEqual({ ...defaults, steps: 2, guidance: -1 });
  });

  test.each(guidanceNames)("takes the guidance %s by its name, in one step and in more, with a scale or without", (guidance) => {
    const named = { ...defaults, negative: "rain", guidance };
    expect(parseGenerate([...least, "--negative", "rain", "--guidance", guidance])).toEqual(named);
    expect(parseGenerate([...least, "--negative", "rain", "--steps", "3", "--guidance", guidance, "--guidance-scale", "0"])).toEqual({
      ...named,
      steps: 3,
      guidanceScale: 0,
    });
  });

  test("takes NASA's scale beside its name, and a second pass in one step without a negative", () => {
    expect(parseGenerate([...least, "--negative", "rain", "--guidance", "nasa", "--nasa-scale", "0.3"])).toEqual({
      ...defaults,
      ...{ negative: "rain", guidance: "nasa", nasaScale: 0.3 },
    });
    expect(parseGenerate([...least, "--guidance", "cfg"])).toEqual({ ...defaults, guidance: "cfg" });
  });

  test("takes samplers by their names, and any number of LoRAs with a scale or without", () => {
    for (const sampler of samplers) expect(parseGenerate([...least, "--sampler", sampler]).sampler).toBe(sampler);
    expect(() => parseGenerate([...least, "--sampler", "euler"])).toThrow(
      'generate: --sampler is "euler". Give one of ddim, dpm-solver, lcm, few-step.',
    );
    const words = ["--lora", "a.safetensors", "--lora=b:0.5", "--lora", "C:\\c.safetensors", "--lora", "d:e:-1", "--lora", "f:"];
    expect(parseGenerate([...least, ...words]).loras).toEqual([
      { path: "a.safetensors", scale: 1 },
      { path: "b", scale: 0.5 },
      { path: "C:\\c.safetensors", scale: 1 },
      { path: "d:e", scale: -1 },
      { path: "f:", scale: 1 },
    ]);
    for (const word of ["", ":0.5"]) {
      expect(() => parseGenerate([...least, `--lora=${word}`])).toThrow(
        `generate: --lora "${word}" names no file. Write --lora PATH or --lora PATH:SCALE.`,
      );
    }
  });

  test("takes any text as a prompt, a dash in front or nothing at all included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (prompt) => {
        fc.pre(!/^--(model|out|negative|lora)/.test(prompt) && prompt !== "--");
        expect(parseGenerate(["--model", "m", "--prompt", prompt, "--out", "x.png"]).prompt).toBe(prompt);
        expect(parseGenerate(["--model", "m", `--prompt=${prompt}`, "--out", "x.png"]).prompt).toBe(prompt);
      }),
    );
  });

  test("takes every seed that PyTorch takes, exactly", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (seed) => {
        expect(BigInt(parseGenerate([...least, "--seed", String(seed)]).seed)).toBe(seed);
      }),
    );
    expect(parseGenerate([...least, "--seed", "9007199254740993"]).seed).toBe(9007199254740993n);
    expect(Object.is(parseGenerate([...least, "--seed", "-0"]).seed, 0)).toBe(true);
  });

  test.each([
    [["--model", "m", "--out", "x.png"], 'generate: --prompt "…" is missing. See snoopi generate --help.'],
    [["--model", "m", "--prompt", "a"], "generate: --out picture.png is missing. See snoopi generate --help."],
    [
      ["--model", "m", "--prompt", "a", "--out", "x.jpg"],
      'generate: --out "x.jpg" does not end in .png, and pictures are written as PNG only. Name it so.',
    ],
    [[...least, "--sede", "1"], "generate: --sede is no option. See snoopi generate --help."],
    [[...least, "-x"], "generate: -x is no option. See snoopi generate --help."],
    [[...least, "cat"], 'generate: "cat" belongs to no option. Put quotes around a text with spaces.'],
    [[...least, "--seed"], "generate: --seed has no value. Write --seed and its value after it."],
    [["--prompt", "--model", "m"], "generate: --prompt has no value. Write --prompt and its value after it."],
    [[...least, "--seed", "1", "--seed", "2"], "generate: --seed is given twice. Give it once."],
    [[...least, "--seed", "one"], 'generate: --seed is "one". Give a whole number from -2^63 to 2^64 - 1.'],
    [[...least, "--seed", "1.5"], 'generate: --seed is "1.5". Give a whole number from -2^63 to 2^64 - 1.'],
    [
      [...least, "--seed", "18446744073709551616"],
      'generate: --seed is "18446744073709551616". Give a whole number from -2^63 to 2^64 - 1.',
    ],
    [[...least, "--seed="], 'generate: --seed is "". Give a whole number from -2^63 to 2^64 - 1.'],
    [[...least, "--steps", "0"], 'generate: --steps is "0". Give a whole number, 1 or more.'],
    [[...least, "--width", "-8"], 'generate: --width is "-8". Give a whole number, 1 or more.'],
    [[...least, "--height", "0x10"], 'generate: --height is "0x10". Give a whole number, 1 or more.'],
    [[...least, "--negative", "a", "--nasa-scale", "-1"], 'generate: --nasa-scale is "-1". Give a number, 0 or more.'],
    [[...least, "--negative", "a", "--nasa-scale", "half"], 'generate: --nasa-scale is "half". Give a number, 0 or more.'],
    [[...least, "--negative", "a", "--nasa-scale", "1e999"], 'generate: --nasa-scale is "1e999". Give a number, 0 or more.'],
    [
      [...least, "--steps", "2", "--guidance", "NaN"],
      'generate: --guidance is "NaN". Give a number, or one of nasa, nasa-guarded, nag, vsf, neutral, cfg, subtract.',
    ],
    [[...least, "--device", "gpu"], 'generate: --device is "gpu". Give one of webgpu, cpu, auto.'],
    [
      [...least, "--variant", "../x"],
      'generate: --variant "../x" is no variant\'s name. One is made of letters, digits, - and _, such as fp16.',
    ],
    [[...least, "--nasa-scale", "1"], 'generate: --nasa-scale needs a negative prompt to scale. Add --negative "…".'],
    [
      [...least, "--negative", "a", "--guidance", "nga"],
      'generate: --guidance is "nga". Give a number, or one of nasa, nasa-guarded, nag, vsf, neutral, cfg, subtract.',
    ],
    [[...least, "--guidance", "nag"], 'generate: --guidance nag needs something to keep away. Add --negative "…".'],
    [
      [...least, "--negative", "a", "--guidance-scale", "1"],
      "generate: --guidance-scale needs a method to scale. Add --guidance, one of nasa, nasa-guarded, nag, vsf, neutral, cfg, subtract.",
    ],
    [
      [...least, "--negative", "a", "--guidance", "nag", "--guidance-scale", "-1"],
      'generate: --guidance-scale is "-1". Give a number, 0 or more.',
    ],
    [
      [...least, "--negative", "a", "--guidance", "nag", "--nasa-scale", "1"],
      "generate: --nasa-scale does not go with --guidance nag. Use --guidance-scale alone.",
    ],
  ])("refuses %j", (argv, says) => {
    expect(() => parseGenerate(argv)).toThrow(expect.objectContaining({ name: "SnoopiError", message: says }));
  });
});

describe("parseInspect", () => {
  test("takes one path, or none for the model that ships", () => {
    expect(parseInspect([])).toEqual({ path: "tiny" });
    expect(parseInspect(["m", "--variant", "fp16"])).toEqual({ path: "m", variant: "fp16" });
    expect(parseInspect(["--", "-m"])).toEqual({ path: "-m" });
  });

  test.each([
    [["a", "b"], "inspect: 2 paths are given. Give one, a model's folder or a .safetensors file."],
    [["a", "--seed", "1"], "inspect: --seed is no option. See snoopi inspect --help."],
  ])("refuses %j", (argv, says) => {
    expect(() => parseInspect(argv)).toThrow(expect.objectContaining({ name: "SnoopiError", message: says }));
  });
});

describe("parseConvert", () => {
  test("reads the file, the folder and what the checkpoint predicts", () => {
    expect(parseConvert(["a.safetensors", "--out", "b"])).toEqual({ file: "a.safetensors", out: "b" });
    expect(parseConvert(["--predicts=v_prediction", "--out", "b", "a"])).toEqual({ file: "a", out: "b", predicts: "v_prediction" });
  });

  test.each([
    [["--out", "b"], "convert: the file is missing. Give a checkpoint's .safetensors file."],
    [["a"], "convert: --out DIR is missing. See snoopi convert --help."],
    [["a", "b", "--out", "c"], "convert: 2 files are given. Give one at a time."],
    [["a", "--out", "b", "--predicts", "v"], 'convert: --predicts is "v". Give one of epsilon, v_prediction, sample.'],
  ])("refuses %j", (argv, says) => {
    expect(() => parseConvert(argv)).toThrow(expect.objectContaining({ name: "SnoopiError", message: says }));
  });
});

describe("parseCommand", () => {
  test("finds the command", () => {
    expect(parseCommand(["generate", ...least])).toEqual({ kind: "generate", options: defaults });
    expect(parseCommand(["inspect", "m"])).toEqual({ kind: "inspect", options: { path: "m" } });
    const train = { stage: "vae", out: "m", resume: true, device: "cpu" };
    expect(parseCommand(["train", "vae", "--resume", "--out", "m", "--device=cpu"])).toEqual({ kind: "train", options: train });
    expect(parseCommand(["download", "a/b", "--revision", "v1"])).toEqual({
      kind: "download",
      options: { repo: "a/b", files: [], out: "b", revision: "v1" },
    });
    const merge = { a: "one", b: "two", out: "m", lambda: 0.25 };
    expect(parseCommand(["merge", "one", "--lambda", "0.25", "two", "--out=m"])).toEqual({ kind: "merge", options: merge });
    expect(parseCommand(["merge", "one", "two", "--out", "m"])).toEqual({ kind: "merge", options: { ...merge, lambda: 0.5 } });
    expect(parseCommand(["convert", "a", "--out", "b"])).toEqual({ kind: "convert", options: { file: "a", out: "b" } });
    expect(parseCommand(["--version"])).toEqual({ kind: "version" });
    expect(() => parseCommand(["generat"])).toThrow(
      'snoopi: "generat" is no command. The commands are generate, inspect, download, convert, train, distill, merge and eval.',
    );
  });

  test.each([
    [["merge", "one", "--out", "m"], "merge: takes two students, each a model's folder, not 1. See snoopi merge --help."],
    [["merge", "one", "two"], "merge: --out DIR is missing. See snoopi merge --help."],
    [["merge", "one", "two", "--out", "m", "--lambda", "half"], 'merge: --lambda is "half". Give a number, 0 or more.'],
  ])("refuses %j", (argv, says) => {
    expect(() => parseCommand(argv)).toThrow(says);
  });

  test.each([
    [[]],
    [["--help"]],
    [["generate", "--help"]],
    [["inspect", "-h"]],
    [["train", "-h"]],
    [["train", "vae", "--help"]],
    [["train", "clip", "--help"]],
    [["train", "teacher", "--help"]],
    [["download", "--help"]],
    [["merge", "--help"]],
    [["distill", "--help"]],
    [["eval", "--help"]],
    [["generate", "--model", "m", "--help"]],
  ])("gives help for %j, in lines that fit a terminal", (argv) => {
    const command = parseCommand(argv);
    if (command.kind !== "help") throw new Error("no help");
    for (const line of command.text.split("\n")) expect(line.length).toBeLessThanOrEqual(90);
  });

  test("help names every option of generate", () => {
    const command = parseCommand(["generate", "-h"]);
    if (command.kind !== "help") throw new Error("no help");
    for (const name of [
      "model",
      "prompt",
      "out",
      "negative",
      "nasa-scale",
      "seed",
      "width",
      "height",
      "steps",
      "guidance",
      "guidance-scale",
      "device",
      "variant",
    ]) {
      expect(command.text).toContain(`--${name}`);
    }
  });
});
