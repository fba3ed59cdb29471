import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { distillMethods } from "../distill/method.ts";
import {
  aheadConfig,
  checkDistillConfig,
  type DistillConfig,
  describeMethod,
  distillSchema,
  methodOf,
  regressionConfig,
  wholeConfig,
} from "./distill-config.ts";
import { differences, readConfig } from "./schema.ts";
import { withKeys } from "./set-keys.ts";

const folder = join(import.meta.dirname, "../../configs");

function configOf(json: unknown): DistillConfig {
  const config = readConfig(distillSchema, json);
  checkDistillConfig(config);
  return config;
}

const fileOf = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), "utf8"));
const files = readdirSync(folder).filter((name) => /^(pg-sb|tiny-(student|pg-sb|table2|few-step|nasa-t)).*\.json$/.test(name));

describe("the configs that are here", () => {
  test("are those of three real sizes and five tiny students", () => {
    expect(files).toHaveLength(9);
  });

  test.each(files)("%s is a config", (name) => {
    expect(() => configOf(fileOf(name))).not.toThrow();
  });

  test.each([
    ["pg-sb-sd15.json", "pgSb"],
    ["pg-sb-sd21.json", "pgSb"],
    ["pg-sb-pixart.json", "pgSbPixart"],
  ] as const)("%s has the method's published numbers", (name, method) => {
    const config = configOf(fileOf(name));
    expect(methodOf(config)).toEqual({ ...distillMethods[method], loraWeighting: "abar" });
    expect([config.student.rate.peak, config.loraTeacher.rate.peak, config.loraTeacher.rank]).toEqual([1e-6, 1e-3, 64]);
  });

  test("tiny-nasa-t.json trains away from a negative, and tiny-few-step.json takes two steps", () => {
    expect(methodOf(configOf(fileOf("tiny-nasa-t.json"))).nasa).toEqual({ scale: { uniform: [0, 1] }, per: "batch" });
    expect(configOf(fileOf("tiny-few-step.json")).student.steps).toBe(2);
  });

  test("students of all tiny configs may begin with one regression start", () => {
    const starts = files.filter((name) => name.startsWith("tiny-")).map((name) => JSON.stringify(regressionConfig(configOf(fileOf(name)))));
    expect(new Set(starts).size).toBe(1);
  });
});

test("students of several seeds have one start where it has a seed of its own, and all else of each is its seed's", () => {
  const of = (seed: number, startSeed: number | null) => configOf({ seed, startSeed, pairs: { count: 4 }, regression: { steps: 1 } });
  expect(regressionConfig(of(1, 0))).toEqual(regressionConfig(of(0, null)));
  expect(regressionConfig(of(1, null))).not.toEqual(regressionConfig(of(0, null)));
  for (const depends of [aheadConfig, wholeConfig]) {
    expect(depends(of(1, 0))).not.toEqual(depends(of(2, 0)));
    expect(depends(of(1, 0))).not.toEqual(depends(of(1, null)));
    expect(depends(of(1, 1))).toEqual(depends(of(1, null)));
  }
});

test("a checkpoint from before there was accumulate is one of a batch an update", () => {
  const [absent, one, two] = [{}, { accumulate: 1 }, { accumulate: 2 }].map((json) => wholeConfig(configOf(json)));
  expect(one).toEqual(absent);
  expect(one).not.toHaveProperty("accumulate");
  expect(differences(one, two)).toEqual(["accumulate is absent there and 2 here"]);
  const [alone, together] = [1, 2].map((accumulate) => configOf({ ahead: 3, accumulate }));
  expect(differences(aheadConfig(alone), aheadConfig(together))).toEqual(["accumulate is absent there and 2 here"]);
  const [before, after] = [1, 2].map((accumulate) => configOf({ regression: { accumulate } }));
  for (const depends of [regressionConfig, aheadConfig, wholeConfig]) {
    expect(depends(before).regression).not.toHaveProperty("accumulate");
    expect(differences(depends(before), depends(after))).toEqual(["regression.accumulate is absent there and 2 here"]);
  }
});

test("a start depends on where the student begins, and a checkpoint from before that was compared is one of the last timestep", () => {
  const of = (timestep: number | null) => configOf({ pairs: { count: 4 }, regression: { steps: 1 }, ahead: 2, student: { timestep } });
  for (const depends of [regressionConfig, aheadConfig]) {
    const [last, early, late] = [null, 400, 500].map((timestep) => depends(of(timestep)));
    expect(last.student).toEqual({ train: "full" });
    expect(differences(last, early)).toEqual(["student.timestep is absent there and 400 here"]);
    expect(differences(early, late)).toEqual(["student.timestep is 400 there and 500 here"]);
  }
});

test("the rows of Table 2 and the control at the interval's mean are two keys each", () => {
  const kappaOf = (...set: string[]) => methodOf(configOf(withKeys(fileOf("tiny-pg-sb.json"), set))).kappa;
  const random = { uniform: [0.5, 4] };
  const row = (teacher: unknown, lora: unknown) => ({ teacher, lora, per: "sample", draws: "shared" });
  expect(kappaOf()).toEqual(row(random, random));
  expect(kappaOf("method.loraKappa=2.25")).toEqual(row(random, { fixed: 2.25 }));
  expect(kappaOf("method.teacherKappa=2.25")).toEqual(row({ fixed: 2.25 }, random));
  expect(kappaOf("method.teacherKappa=2.25", "method.loraKappa=2.25")).toEqual(row({ fixed: 2.25 }, { fixed: 2.25 }));
});

test("a method's name over a file that says all of its keys changes nothing else, which is told; in place of them it is the method", () => {
  const of = (...set: string[]) => configOf(withKeys(fileOf("tiny-table2.json"), set));
  expect(describeMethod(of())).toBe('method: pgSb, but for loraWeighting "one"');
  expect(describeMethod(of("method.name=dmd2"))).toBe(
    'method: dmd2, but for teacherKappa [0.5,4], loraKappa [0.5,4], weighting "sigma2", loraWeighting "one", loraSteps 1, maxNorm 1',
  );
  for (const name of Object.keys(distillMethods) as (keyof typeof distillMethods)[]) {
    if (name === "nasaT") continue;
    const named = of(`method={"name": "${name}"}`, "ahead=0");
    expect([describeMethod(named), methodOf(named)]).toEqual([`method: ${name}`, { ...distillMethods[name], loraWeighting: "abar" }]);
  }
});

test.each([
  [{ regression: { steps: 3 } }, "regression.steps is 3 and pairs.count 0"],
  [{ pairs: { count: 4 } }, "neither regression.steps nor keepRegression.weight uses them"],
  [{ pairs: { count: 4 }, regression: { steps: 1 }, student: { train: "lora" } }, "student.train is lora"],
  [{ accumulate: 0 }, "accumulate is 0. Give a whole number of 1 or more"],
  [{ accumulate: 1.5 }, "accumulate is 1.5. Give a whole number of 1 or more"],
  [{ regression: { accumulate: 0 } }, "regression.accumulate is 0. Give a whole number of 1 or more"],
  [{ startSeed: 3 }, "startSeed is 3 and pairs.count 0, so there is no start that it could be of"],
  [{ method: { name: "nasaT" } }, "method.nasa has nothing to keep away. Give negatives"],
  [{ negatives: "world" }, "method pgSb does not use NASA"],
  [{ method: { loraSteps: 0 } }, "only sds goes without a LoRA teacher"],
  [{ method: { name: "sds" }, ahead: 3 }, "method sds has no LoRA teacher"],
  [{ method: { name: "sds", loraSteps: 5, nullText: 0.1 } }, "method.loraSteps, method.nullText given, and sds has no LoRA teacher"],
  [{ method: { against: "sds", loraKappa: 2 } }, "method.loraKappa given, and sds has no LoRA teacher"],
  [{ method: { nasa: -0.5 }, negatives: "world" }, "method.nasa is -0.5. Give a number of 0 or more, or two"],
  [{ method: { nasa: [-1, 1] }, negatives: "world" }, "method.nasa is [-1,1]"],
  [{ method: { studentRange: [500, 20] } }, "method.studentRange is [500, 20]"],
  [{ method: { loraKappa: [4, 0.5] } }, "method.loraKappa is [4,0.5]"],
  [{ student: { lr: 1 }, stps: 2 }, "student.lr, stps are unknown"],
])("%j is refused", (json, message) => {
  expect(() => configOf(json)).toThrow(message);
});
