import { cpu, div, keep, mean, sqrt, sum, tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { firstNotFinite } from "./diagnose.ts";
import type { Stage } from "./stage.ts";

/** A stage of one parameter, whose loss is as given. */
const stage = (value: number, loss: Stage["loss"]): { stage: Stage; batch: ReturnType<Stage["batch"]> } => {
  const parameters = { w: keep(tensor([value])) };
  const batch = { x: { shape: [2], data: Float32Array.of(1, 2) }, ids: { shape: [1], data: Int32Array.of(3) } };
  return { batch, stage: { name: "one", device: cpu, parameters, batch: () => batch, loss } };
};

test("nothing is named when all is finite", async () => {
  const made = stage(1, ({ x }) => ({ loss: mean(x.mul(made.stage.parameters.w)) }));
  expect(await firstNotFinite(made.stage, made.batch)).toBeUndefined();
});

test("the batch comes before the parameters, and those before what is made of them", async () => {
  const made = stage(Number.NaN, ({ x }) => ({ loss: mean(x.mul(made.stage.parameters.w)) }));
  expect(await firstNotFinite(made.stage, made.batch)).toBe("the parameter w");
  made.batch.x.data[1] = Number.POSITIVE_INFINITY;
  expect(await firstNotFinite(made.stage, made.batch)).toBe("the input x");
});

test("a part of the loss comes before the loss", async () => {
  const made = stage(0, ({ x }) => {
    const part = sum(div(x, made.stage.parameters.w));
    return { loss: part.mul(1), part };
  });
  expect(await firstNotFinite(made.stage, made.batch)).toBe("the loss's part part");
});

test("a gradient is named when the loss itself is finite", async () => {
  const made = stage(0, () => ({ loss: sum(sqrt(made.stage.parameters.w)) }));
  expect(await firstNotFinite(made.stage, made.batch)).toBe("the gradient of w");
});
