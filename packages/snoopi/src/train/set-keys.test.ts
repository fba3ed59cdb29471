import { expect, test } from "vitest";
import { withKeys } from "./set-keys.ts";

test("keys are set at any depth, to JSON or else to the text itself", () => {
  const json = { seed: 0, method: { name: "pgSb", loraKappa: 2 } };
  expect(
    withKeys(json, ["seed=3", "method.loraKappa=[0.5, 4]", "method.name=ttur", "student.rate.peak=1e-5", "negatives=a=b.txt"]),
  ).toEqual({
    ...{ seed: 3, method: { name: "ttur", loraKappa: [0.5, 4] }, student: { rate: { peak: 1e-5 } }, negatives: "a=b.txt" },
  });
  expect(json).toEqual({ seed: 0, method: { name: "pgSb", loraKappa: 2 } });
});

test("nothing set leaves a config as it is", () => {
  expect(withKeys({ a: [1] }, [])).toEqual({ a: [1] });
  expect(withKeys(undefined, ["a=1"])).toEqual({ a: 1 });
});

test.each([
  [["seed"], 'config: "seed" sets no key. Write KEY=VALUE, such as method.loraKappa=4.5.'],
  [["seed=1", "seed=2"], "config: seed is set twice. Set it once."],
  [["seed.x=1"], "config: seed.x is inside of what is no object. Set a key that ends at a value."],
])("%j is refused", (said, message) => {
  expect(() => withKeys({ seed: 0 }, said)).toThrow(message);
});

test("a key that every object inherits is an own one of the config, for the schema to refuse", () => {
  const set = withKeys({}, ["__proto__.polluted=1"]);
  expect(Object.keys(set as object)).toEqual(["__proto__"]);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
