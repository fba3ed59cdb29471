import { cpu, scope, tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { strengths } from "./strength.ts";

const path = "down_blocks.1.attentions.0.transformer_blocks.0.attn2";

test("a number is the strength everywhere", () => {
  expect(strengths("nag", 0.5)(path, {}, 1)).toBe(0.5);
});

test("of a record the first key that the path contains counts, and without one it is 0", () => {
  const at = (record: Record<string, number>) => strengths("nag", record)(path, {}, 1);
  expect(at({ down_blocks: 2 })).toBe(2);
  expect(at({ mid_block: 3, down_blocks: 2, "down_blocks.1": 1 })).toBe(2);
  expect(at({ "down_blocks.1": 1, down_blocks: 2 })).toBe(1);
  expect(at({ "": 4 })).toBe(4);
  expect(at({ up_blocks: 2 })).toBe(0);
  expect(at({})).toBe(0);
});

test("a record's number that cannot be is refused in the layer that it is for", () => {
  const at = strengths("nag", { mid_block: 1, down_blocks: -1 });
  expect(at("mid_block.attentions.0", {}, 1)).toBe(1);
  expect(() => at(path, {}, 1)).toThrow(`nag: the scale is -1 in ${path}, expected a finite number ≥ 0.`);
});

test("a function sees the layer and the moment", () => {
  const at = strengths("nag", (where, { step = 0, timestep = 0 }) => (where === path ? step + timestep / 1000 : 0));
  expect(at(path, { step: 2, timestep: 500 }, 1)).toBe(2.5);
  expect(at("mid_block", { step: 2, timestep: 500 }, 1)).toBe(0);
});

test("a tensor stands at the head of the batch, and is held until it is disposed of", () =>
  scope(async () => {
    const scale = tensor([1, 2, 3], { device: cpu });
    const before = cpu.memory().tensors;
    const at = strengths("nag", scale);
    const here = at(path, {}, 3);
    if (typeof here === "number") throw new Error("a number");
    expect(here.shape).toEqual([3, 1, 1, 1]);
    expect(await here.data()).toEqual(await scale.data());
    at[Symbol.dispose]();
    expect(cpu.memory().tensors).toBeLessThanOrEqual(before);
  }));
