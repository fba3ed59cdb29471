import { expect, it } from "vitest";
import { tensor } from "../create.ts";
import { leaves } from "../tree.ts";
import { signature } from "./signature.ts";

const x = tensor([1, 2]);
const y = tensor([[1, 2]]);

it("has the tensors in the order of a tree's leaves", () => {
  const args = [x, { b: [y, 3], a: new Map([["m", x]]) }, "text"];
  expect(signature(args).given).toEqual(leaves(args));
});

it("is the same for other values of the same shapes, and for the same numbers", () => {
  expect(signature([{ x, by: [1, "s"] }]).key).toBe(signature([{ x: tensor([3, 4]), by: [1, "s"] }]).key);
});

it("tells shapes, types, forms and what is no tensor apart", () => {
  const different = [
    [x],
    [y],
    [tensor([1, 2], { dtype: "i32" })],
    [[x]],
    [x, x],
    [[x, x]],
    [[x], x],
    [{ x }],
    [{ y: x }],
    [new Map([["x", x]])],
    [x, 1],
    [x, "1"],
    [x, 1n],
    [x, "1n"],
    [x, 0],
    [x, -0],
    [x, Number.NaN],
    [x, null],
    [x, undefined],
    [x, true],
    [x, ["1,2"]],
    [x, ["1", "2"]],
    [x, [1, 2]],
    ["f32[2]"],
    [x, new Date(0)],
    [x, new Date(1)],
  ].map((args) => signature(args).key);
  expect(new Set(different).size).toBe(different.length);
});
