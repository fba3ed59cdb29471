import { normal, realize, square, sum, type Tensor, tanh, valueAndGrad } from "@snoopi/core";
import { expect, test } from "vitest";
import { inParts } from "./in-parts.ts";

const x = normal([5, 3], { key: 1 });
const w = normal([3], { key: 2 });
await realize([x, w]);
const each = (of: Tensor) => square(tanh(of.mul(w)));

test.each([0, 1, 2, 5, 9])("%i at a time gives the same values and gradients to the last bit", async (atOnce) => {
  const loss = (fn: (of: Tensor) => Tensor) => valueAndGrad((of: Tensor) => sum(fn(of)))(x);
  const [whole, wholeGradient] = loss(each);
  const [value, gradient] = loss(inParts(each, atOnce));
  expect(await value.item()).toBe(await whole.item());
  expect(await gradient.data()).toEqual(await wholeGradient.data());
});
