import { SnoopiError } from "@snoopi/core";
import { type OpenModel, planOf, type Request } from "@snoopi/snoopi";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { openTiny } from "./tiny.ts";

let model: OpenModel;
beforeAll(async () => {
  model = await openTiny("sd15-tiny");
});

const plan = (request: Omit<Request, "prompt">) => planOf(model, { prompt: "a cat", steps: 1, ...request });
const usual = { prompt: "a cat", steps: 1, sampler: "ddim", seed: 0, width: 64, height: 64 };

describe("a plan", () => {
  const plans: [string, Omit<Request, "prompt">, object][] = [
    ["is of the model's own size from seed 0, and unguided in one step, by default", {}, {}],
    [
      "steers by NASA at 0.5 in one step with a negative",
      { negative: "blurry" },
      { steer: { method: "nasa", negative: "blurry", scale: 0.5 } },
    ],
    ["takes NASA's scale", { negative: "blurry", nasaScale: 0.8 }, { steer: { method: "nasa", negative: "blurry", scale: 0.8 } }],
    ["takes an empty negative for one", { negative: "" }, { steer: { method: "nasa", negative: "", scale: 0.5 } }],
    ["takes NASA's scale 0", { negative: "blurry", nasaScale: 0 }, { steer: { method: "nasa", negative: "blurry", scale: 0 } }],
    ["guides several steps away from the empty text at 7.5", { steps: 4 }, { steps: 4, cfg: { negative: "", scale: 7.5 } }],
    ["takes the guidance", { steps: 2, guidance: 3 }, { steps: 2, cfg: { negative: "", scale: 3 } }],
    ["makes no second pass at guidance 1", { steps: 2, guidance: 1 }, { steps: 2 }],
    ["makes no second pass at guidance 0", { steps: 2, guidance: 0 }, { steps: 2 }],
    ["lets one step say that it takes no guidance", { guidance: 1 }, {}],
    ["guides several steps away from a negative", { steps: 4, negative: "blurry" }, { steps: 4, cfg: { negative: "blurry", scale: 7.5 } }],
    [
      "steers several steps by NASA where its scale is given, and guides away from the empty text",
      { steps: 4, negative: "blurry", nasaScale: 0.3 },
      { steps: 4, steer: { method: "nasa", negative: "blurry", scale: 0.3 }, cfg: { negative: "", scale: 7.5 } },
    ],
    [
      "steers several steps by NASA alone at guidance 1",
      { steps: 4, negative: "blurry", nasaScale: 0.3, guidance: 1 },
      { steps: 4, steer: { method: "nasa", negative: "blurry", scale: 0.3 } },
    ],
    [
      "takes a method by its name and its default scale, alone in several steps too",
      { steps: 4, negative: "blurry", guidance: "nag" },
      { steps: 4, steer: { method: "nag", negative: "blurry", scale: 2 } },
    ],
    [
      "takes NASA's name like a negative alone",
      { negative: "blurry", guidance: "nasa" },
      { steer: { method: "nasa", negative: "blurry", scale: 0.5 } },
    ],
    [
      "takes NASA's scale beside its name",
      { negative: "blurry", guidance: "nasa", nasaScale: 0.25 },
      { steer: { method: "nasa", negative: "blurry", scale: 0.25 } },
    ],
    [
      "takes a scale for each layer",
      { negative: "blurry", guidance: "vsf", guidanceScale: { mid_block: 1 } },
      { steer: { method: "vsf", negative: "blurry", scale: { mid_block: 1 } } },
    ],
    ["makes a second pass in one step where it is named", { guidance: "cfg" }, { cfg: { negative: "", scale: 1.5 } }],
    [
      "takes the scale of a second pass",
      { steps: 2, negative: "blurry", guidance: "cfg", guidanceScale: 3 },
      { steps: 2, cfg: { negative: "blurry", scale: 3 } },
    ],
    ["makes no second pass at cfg's scale 1", { guidance: "cfg", guidanceScale: 1 }, {}],
    ["subtracts texts", { negative: "blurry", guidance: "subtract" }, { subtract: { negative: "blurry", scale: 1 } }],
    ["takes a size and a seed", { width: 8, height: 128, seed: -5n }, { width: 8, height: 128, seed: -5n }],
  ];
  test.each(plans)("%s", (_, request, expected) => {
    expect(plan(request)).toEqual({ ...usual, ...expected });
  });

  test("takes 25 guided steps of DDIM where the model is no student", () => {
    expect(planOf(model, { prompt: "a cat" })).toEqual({ ...usual, steps: 25, cfg: { negative: "", scale: 7.5 } });
  });

  test("takes a student's own steps, unguided, and keeps a negative away by NASA", () => {
    const student = (steps: number): OpenModel => ({ ...model, sampling: { steps, sampler: "few-step" } });
    for (const steps of [1, 2, 4]) {
      const own = { ...usual, steps, sampler: "few-step" };
      expect(planOf(student(steps), { prompt: "a cat" })).toEqual(own);
      expect(planOf(student(steps), { prompt: "a cat", negative: "blurry" })).toEqual({
        ...own,
        steer: { method: "nasa", negative: "blurry", scale: 0.5 },
      });
    }
    expect(planOf(student(2), { prompt: "a cat", steps: 3, guidance: "cfg" })).toEqual({
      ...usual,
      ...{ steps: 3, sampler: "few-step", cfg: { negative: "", scale: 1.5 } },
    });
    // Asked to, it goes the way of others.
    expect(planOf(student(2), { prompt: "a cat", sampler: "ddim" })).toMatchObject({ sampler: "ddim", cfg: { scale: 7.5 } });
  });

  test("takes any multiples of the VAE's factor as a size, and nothing else", async () => {
    const third = await openTiny("third-tiny");
    fc.assert(
      fc.property(fc.constantFrom(model, third), fc.integer({ min: 1, max: 2000 }), (of, width) => {
        const make = () => planOf(of, { prompt: "", width });
        if (width % of.factor === 0) expect(make()).toMatchObject({ width, height: of.size.height });
        else expect(make).toThrow(`generate: the width is ${width}, and this model makes multiples of ${of.factor}. Try `);
      }),
    );
  });
});

describe("a request that cannot be is refused:", () => {
  const refused: [Omit<Request, "prompt">, string][] = [
    [{ steps: 0 }, "timesteps: cannot take 0 steps. Pass a whole number from 1 to 1000, the timesteps the model was trained on."],
    [{ steps: 1.5 }, "timesteps: cannot take 1.5 steps. Pass a whole number from 1 to 1000, the timesteps the model was trained on."],
    [{ steps: 1001 }, "timesteps: cannot take 1001 steps. Pass a whole number from 1 to 1000, the timesteps the model was trained on."],
    [
      { steps: 1000 },
      "timesteps: 1000 steps with steps_offset 1 start at timestep 1000, past the last trained one, 999. Take fewer steps.",
    ],
    [{ steps: 60, sampler: "lcm" }, "timesteps: lcm takes 1 to 50 steps, not 60. Four are usual."],
    [{ sampler: "euler" as "ddim" }, 'generate: the sampler is "euler". Choose one of ddim, dpm-solver, lcm, few-step.'],
    [{ width: 65 }, "generate: the width is 65, and this model makes multiples of 8. Try 64."],
    [{ height: 68 }, "generate: the height is 68, and this model makes multiples of 8. Try 72."],
    [{ width: 0 }, "generate: the width is 0, and this model makes multiples of 8. Try 8."],
    [{ height: -64 }, "generate: the height is -64, and this model makes multiples of 8. Try 8."],
    [{ width: Number.NaN }, "generate: the width is NaN, and this model makes multiples of 8. Try 64."],
    [{ nasaScale: 0.5 }, "generate: a NASA scale needs a negative prompt to scale."],
    [{ negative: "", nasaScale: -1 }, "generate: the NASA scale is -1, expected a number ≥ 0."],
    [{ negative: "", nasaScale: Number.NaN }, "generate: the NASA scale is NaN, expected a number ≥ 0."],
    [{ steps: 2, guidance: Number.POSITIVE_INFINITY }, "generate: the guidance is Infinity, expected a finite number."],
    [{ guidance: Number.NaN }, "generate: the guidance is NaN, expected a finite number."],
    [{ guidance: 5 }, "generate: one step takes no guidance, and it is 5. Take 2 steps or more, or give a negative prompt alone."],
    [
      { steps: 2, guidance: 1, negative: "blurry" },
      "generate: the negative prompt has no effect with guidance 1. Use one above 1, or give a NASA scale.",
    ],
    [
      { negative: "", guidance: "nsa" },
      'generate: there is no guidance "nsa". Choose one of nasa, nasa-guarded, nag, vsf, neutral, cfg, subtract.',
    ],
    [{ guidance: "nag" }, "generate: nag needs a negative prompt to keep away."],
    [{ guidance: "subtract" }, "generate: subtract needs a negative prompt to keep away."],
    [{ negative: "", guidance: "vsf", guidanceScale: -1 }, "generate: the scale of vsf is -1, expected a number ≥ 0."],
    [{ guidance: "cfg", guidanceScale: Number.NaN }, "generate: the scale of cfg is NaN, expected a number ≥ 0."],
    [
      { negative: "a", guidance: "cfg", guidanceScale: () => 2 },
      "generate: the scale of cfg is no number, and only one inside cross-attention may vary. Give a number.",
    ],
    [
      { negative: "a", guidance: "cfg", guidanceScale: 1 },
      "generate: the negative prompt has no effect at cfg's scale 1. Use one above 1.",
    ],
    [
      { negative: "a", guidanceScale: 1 },
      "generate: a guidance scale needs a method to scale. Name one as the guidance: nasa, nasa-guarded, nag, vsf, neutral, cfg, subtract.",
    ],
    [
      { negative: "a", nasaScale: 1, guidance: "nag" },
      "generate: the guidance is nag, and NASA's scale is given. Give a guidance scale instead.",
    ],
    [
      { negative: "a", nasaScale: 1, guidance: "nasa", guidanceScale: 1 },
      "generate: the scale of nasa is given twice. Give a guidance scale alone.",
    ],
    [{ seed: 0.5 }, "seed: 0.5 is not an integer JavaScript holds exactly. Pass an integer."],
    [{ seed: 2n ** 64n }, "seed: 18446744073709551616 does not fit 64 bits. Pass one from -2^63 to 2^64 - 1."],
  ];
  test.each(refused)("%o", (request, message) => {
    expect(() => plan(request)).toThrow(new SnoopiError(message));
  });
});
