import {
  type AnyOp,
  apply,
  createCpu,
  type DType,
  data,
  elementwiseOps,
  fromData,
  isElementwise,
  isView,
  type Op,
  type OpName,
  ops,
  scope,
  vjp,
} from "@snoopi/core";
import { checkGrads, checkKernel, scattered } from "@snoopi/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { type Dual, duals } from "./oracles/dual.ts";
import { inputsOf, specOf } from "./oracles/inputs.ts";
import type { Style } from "./oracles/strided.ts";
import { samples } from "./samples/index.ts";
import { invalidCalls } from "./samples/invalid-calls.ts";
import type { Call, Samples } from "./samples/sample.ts";

// Every op × every property, from the table of samples. Seeds are fixed: a failure is the same tomorrow.

const cpu = createCpu();
const seeds = fc.nat({ max: 2 ** 20 });
const table = Object.entries(ops) as [OpName, AnyOp][];
const samplesOf = (name: OpName) => samples[name] as Samples<any>;
const accelerators = devices.filter(({ device }) => device.name !== "cpu");

/** Runs a property on an op's valid calls. */
function forCalls(name: OpName, numRuns: number, check: (call: Call<any>, seed: number) => Promise<void>): Promise<void> {
  return fc.assert(fc.asyncProperty(samplesOf(name).valid, seeds, check), { numRuns, seed: 7 });
}

/** A property that an op cannot have is no skipped test. */
const when = (applies: boolean, run: typeof test): ((name: string, fn: () => Promise<void>) => void) => (applies ? run : () => {});

const stylesOf = ({ repeats = true }: Samples<any>): Style[] => [
  "permuted",
  "sliced",
  "behind",
  "dense",
  ...(repeats ? (["repeated"] as const) : []),
];

describe.each(table)("%s", (name, op) => {
  const sample = samplesOf(name);
  const floats = sample.differences !== false && op.vjp !== undefined;
  const bare: DType[] = sample.integers ? ["f32", "f16", "i32"] : ["f32", "f16"];

  test.each(sample.invalid.map((call) => [call.says, call] as const))("says %s", (says, { inputs, attrs }) => {
    const call = () =>
      apply(
        op,
        inputs.map(specOf).map(({ shape, dtype }) => apply(ops.full, [], { shape, dtype, value: 0 }, cpu)),
        attrs,
        cpu,
      );
    expect(call).toThrow(expect.objectContaining({ name: "OpError", message: says }));
  });

  when(floats, test)("has first and second derivatives that agree with finite differences", async () => {
    await forCalls(name, 40, (call, seed) =>
      scope(async (s) => {
        const inputs = s.run(() => inputsOf(call, sample, "f64", seed).map((make) => make(cpu)));
        await checkGrads((...x) => apply(op, x, call.attrs), inputs, { name, order: 2, seed });
      }),
    );
  });

  when(isElementwise(op) && floats && name !== "where", test)("has the derivative of its own formula", async () => {
    if (!isElementwise(op)) return;
    const points = Array.from({ length: op.arity }, (_, k) => scattered(300, 11 + k, ...(sample.domain ?? [-2, 2])));
    const x = points.map((p) => fromData(p, { shape: [300], dtype: "f64", device: cpu }));
    const [y, pull] = vjp((xs: typeof x) => apply(op, xs, undefined), x);
    const gradients = await Promise.all(pull(apply(ops.full, [], { shape: y.shape, value: 1, dtype: "f64" }, cpu)).map(data));
    for (let i = 0; i < 300; i++) {
      gradients.forEach((g, k) => {
        const { d } = op.formula<Dual>(
          duals,
          points.map((p, j) => ({ v: p[i], d: j === k ? 1 : 0 })),
        );
        // The formula's own rounding: some ten steps of 2⁻⁵³, magnified by no more than 100 on these domains.
        expect(Math.abs(g[i] - d), `at ${points.map((p) => p[i])} in input ${k}: ${g[i]} ≠ ${d}`).toBeLessThanOrEqual(
          1e-12 * (1 + Math.abs(d)),
        );
      });
    }
  });

  test.each(bare)("gives the same on strided %s inputs as on dense ones, to the last bit", async (dtype) => {
    await forCalls(name, 25, async (call, seed) => {
      // One bound for all: none.
      await checkKernel(
        cpu,
        op,
        { inputs: inputsOf(call, sample, dtype, seed, stylesOf(sample)), attrs: call.attrs },
        { bound: () => () => 0 },
      );
    });
  });

  test.each(isElementwise(op) && name !== "cast" ? bare : [])("evaluates its formula on %s as its reference does", async (dtype) => {
    await forCalls(name, 25, (call, seed) =>
      scope(async (s) => {
        const inputs = s.run(() => inputsOf(call, sample, dtype, seed).map((make) => make(cpu)));
        const y = s.run(() => apply(op, inputs, call.attrs));
        const values = await Promise.all(inputs.map(async (t) => ({ shape: t.shape, dtype: t.dtype, data: await data(t) })));
        const got = await data(y);
        const out = { shape: y.shape, dtype: y.dtype, data: got.slice() };
        (op as Op<any>).reference(values, call.attrs, out, []);
        // f16 is rounded once more after the reference.
        const want =
          y.dtype === "f16"
            ? await data(
                s.run(() => apply(ops.cast, [fromData(out.data, { shape: y.shape, dtype: "f32", device: cpu })], { dtype: "f16" })),
              )
            : out.data;
        expect(got).toEqual(want);
      }),
    );
  });

  describe.each(accelerators)("on $name", ({ device }) => {
    test.each(bare)("agrees with the reference on %s, strided or not", async (dtype) => {
      const options = sample.bound ? { bound: sample.bound } : {};
      await forCalls(name, isView(op) ? 10 : dtype === "f32" ? 25 : 10, (call, seed) =>
        checkKernel(
          device,
          op,
          { inputs: inputsOf(call, sample, dtype, seed, seed & 1 ? ["dense"] : stylesOf(sample)), attrs: call.attrs },
          options,
        ),
      );
    });
  });
});

test.each(invalidCalls)("says %s", (message, call) => {
  expect(call).toThrow(expect.objectContaining({ name: "OpError", message }));
});

test("every elementwise op evaluates on a device from its formula alone", () => {
  expect(Object.values(elementwiseOps).every((op) => isElementwise(op))).toBe(true);
});
