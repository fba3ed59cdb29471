import { describe, expect, test } from "vitest";
import { checkTrainConfig, trainSchemas } from "./config.ts";
import { choice, describeSchema, differences, number, pair, readConfig, sizes, whole } from "./schema.ts";

const schema = {
  steps: whole(10, "updates", { least: 1 }),
  rate: { peak: number(0.5, "the highest", { least: 0, most: 1 }), shape: choice("flat", "how it goes", ["flat", "falling"]) },
  betas: pair([0.9, 0.99], "averages", { least: 0, most: 1 }),
  widths: sizes([8, 16], "channels"),
};

describe("a config", () => {
  test("has a default for every key", () => {
    expect(readConfig(schema, {})).toEqual({ steps: 10, rate: { peak: 0.5, shape: "flat" }, betas: [0.9, 0.99], widths: [8, 16] });
  });

  test("keeps what is given beside defaults, also inside an object", () => {
    expect(readConfig(schema, { rate: { shape: "falling" }, widths: [4] })).toMatchObject({
      rate: { peak: 0.5, shape: "falling" },
      widths: [4],
    });
  });

  test.each([
    [{ step: 3 }, "step is unknown. The keys are steps, rate, betas, widths."],
    [{ rate: { top: 1 } }, "rate.top is unknown. rate has peak, shape."],
    [{ rate: { top: 1 }, step: 3 }, "rate.top, step are unknown."],
    [{ steps: 0 }, "steps is 0. Give a whole number of 1 or more."],
    [{ steps: "9" }, 'steps is "9".'],
    [{ rate: { peak: 2 } }, "rate.peak is 2. Give a number from 0 to 1."],
    [{ rate: { shape: "up" } }, 'rate.shape is "up". Give one of flat, falling.'],
    [{ rate: 3 }, "rate is 3. Give an object."],
    [{ betas: [0.9] }, "betas is [0.9]. Give two numbers"],
    [{ widths: [] }, "widths is []. Give whole numbers above 0."],
    [[], "the whole is []. Give an object."],
  ])("is refused when it is %j", (json, message) => {
    expect(() => readConfig(schema, json)).toThrow(message);
  });

  test("is described key by key, with its defaults", () => {
    expect(describeSchema(schema)).toContainEqual({ key: "rate.peak", absent: "0.5", about: "the highest" });
    expect(describeSchema(schema)).toContainEqual({
      key: "rate.shape",
      absent: '"flat"',
      about: "how it goes",
      words: ["flat", "falling"],
    });
    for (const one of Object.values(trainSchemas)) {
      for (const { about } of describeSchema(one)) expect(about).not.toBe("");
    }
  });

  test("differs from another by the keys that differ, but for those that may", () => {
    const [a, b] = [readConfig(schema, {}), readConfig(schema, { steps: 3, rate: { peak: 0.1 } })];
    expect(differences(a, b)).toEqual(["steps is 10 there and 3 here", "rate.peak is 0.5 there and 0.1 here"]);
    expect(differences(a, b, ["steps", "rate.peak"])).toEqual([]);
  });
});

describe("the config of a stage", () => {
  test("is fine as it is by default", () => {
    for (const name of ["vae", "clip", "teacher"] as const) checkTrainConfig(name, readConfig(trainSchemas[name], {}));
  });

  test.each([
    ["vae", { network: { normNumGroups: 5 } }, "8 is not a multiple of 5"],
    ["vae", { network: { sampleSize: 24 } }, "64 is not a multiple of 24"],
    ["vae", { network: { sampleSize: 8, blockOutChannels: [8, 8, 8, 8, 8] } }, "8 is not a multiple of 16"],
    ["clip", { network: { patchSize: 5 } }, "64 is not a multiple of 5"],
    ["clip", { network: { numAttentionHeads: 3 } }, "64 is not a multiple of 3"],
    ["teacher", { network: { attentionHeadDim: 5 } }, "64 is not a multiple of 5"],
  ] as const)("is refused when keys of %s contradict each other: %j", (name, json, message) => {
    expect(() => checkTrainConfig(name, readConfig(trainSchemas[name], json) as never)).toThrow(message);
  });
});
