import { expect, test } from "vitest";
import { checkAgreement } from "./agreement.ts";

const config = { steps: 3, rate: { peak: 0.1 } };
const file = (metadata: Record<string, string>) => ({ name: "a.safetensors", metadata: new Map(Object.entries(metadata)) });
const of = (saved: unknown) => file({ format: "pt", "snoopi.config": JSON.stringify(saved) });
const check = (there: ReturnType<typeof file>, free: readonly string[] = []) => {
  return () => checkAgreement(there, "snoopi.config", { config, free, fix: "Give another --out" });
};

test("a file agrees with a config whose keys have its values, but for those that are free", () => {
  expect(check(of(config))).not.toThrow();
  expect(check(of({ ...config, steps: 4 }), ["steps"])).not.toThrow();
  expect(check(of({ ...config, steps: 4 }), ["rate.peak"])).toThrow(
    "a.safetensors: it is of another config: steps is 4 there and 3 here. Give another --out.",
  );
});

test("one that says nothing of a config is no file of ours", () => {
  expect(check(file({ "snoopi.pairs": JSON.stringify(config) }))).toThrow(
    "a.safetensors: it says nothing of a config, so no training of snoopi wrote it. Give another --out.",
  );
});
