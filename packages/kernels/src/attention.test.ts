import { attention, cast, cpu, type Device, greater, normal, permute, reshape, type Tensor, tensor, vjp } from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import { webgpu } from "./node.ts";

// Where a CPU poses as a GPU, one thread computes a query's output, up to 160 columns of it. The other kernels are in variants.test.ts.
const real = await webgpu();
afterAll(() => real.destroy());
const device = createBackend(real.gpu, { ...real.facts, subgroupSize: undefined, software: true }, real.description);

type Mask = "none" | "bool by key" | "bool by query" | "float" | "−∞ by query";

interface Case {
  readonly Lq: number;
  readonly Lk: number;
  readonly D: number;
  readonly mask: Mask;
  readonly causal: boolean;
  readonly split?: boolean;
  readonly half?: boolean;
  readonly key: number;
}

const [batch, heads] = [2, 3];

function maskOf(on: Device, { Lq, Lk, mask, key }: Case): Tensor | undefined {
  const draw = (shape: number[]) => normal(shape, { key: key + 9, device: on });
  if (mask === "none") return undefined;
  if (mask === "float") return draw([batch, heads, Lq, Lk]);
  if (mask === "bool by key") return greater(draw([batch, 1, 1, Lk]), -0.5);
  if (mask === "bool by query") return greater(draw([1, heads, Lq, 1]), 0);
  // Every other query may look at nothing.
  return tensor(
    Array.from({ length: Lq }, (_, i) => [i % 2 ? 0 : Number.NEGATIVE_INFINITY]),
    { device: on },
  );
}

/** Attention's result and, where it saves, the gradient of v, which uses the weights recomputed from what was saved. */
async function computed(on: Device, c: Case, saving: boolean): Promise<Float64Array> {
  const draw = (L: number, key: number) => {
    const x = c.split
      ? permute(reshape(normal([batch, L, heads * c.D], { key, device: on }), [batch, L, heads, c.D]), [0, 2, 1, 3])
      : normal([batch, heads, L, c.D], { key, device: on });
    return c.half ? cast(x, "f16") : x;
  };
  const mask = maskOf(on, c);
  const options = { causal: c.causal, ...(mask && { mask }) };
  const inputs = [draw(c.Lq, c.key), draw(c.Lk, c.key + 1), draw(c.Lk, c.key + 2)];
  const run = ([q, k, v]: Tensor[]) => attention(q, k, v, options);
  if (!saving) return Float64Array.from(await run(inputs).data());
  const [y, pull] = vjp(run, inputs);
  const [, , dv] = pull(draw(c.Lq, c.key + 3));
  return Float64Array.from([...(await y.data()), ...(await dv.data())]);
}

async function agrees(c: Case, saving = false) {
  const [want, got] = await Promise.all([computed(cpu, c, saving), computed(device, c, saving)]);
  const norm = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  // As in variants.test.ts: scores are sums of D products that exp turns into relative errors of the weights, which are summed over the
  // keys, or in a gradient over the queries; 16 further roundings, for exp and the division. What f16 rounds on
  // both sides may tip to neighbours, 2⁻¹⁰ apart.
  const relative = (Math.sqrt(c.D + c.Lk + c.Lq) + 16) * 2 ** -24 + (c.half ? 2 ** -10 : 0);
  expect(norm(want.map((x, i) => x - got[i]))).toBeLessThanOrEqual(
    relative * norm(want) + (c.half ? 2 ** -24 * Math.sqrt(want.length) : 0),
  );
}

describe("attention with a thread a query is the reference's", () => {
  test("for any number of queries and keys and any mask, of heads apart or split", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          Lq: fc.constantFrom(1, 2, 7, 31, 32, 33, 65),
          Lk: fc.constantFrom(1, 2, 15, 16, 17, 64),
          D: fc.constantFrom(1, 5, 17, 20, 33, 40),
          mask: fc.constantFrom<Mask>("none", "bool by key", "bool by query", "float", "−∞ by query"),
          causal: fc.boolean(),
          split: fc.boolean(),
          key: fc.nat({ max: 1000 }),
        }),
        (c) => agrees(c),
      ),
      { numRuns: 40, seed: 3, interruptAfterTimeLimit: 60_000 },
    ));

  test.each([
    [16, "none"],
    [33, "bool by query"],
    [50, "−∞ by query"],
  ] as const)("for heads %d wide with mask %s, and so is what the backward pass makes of what was saved", (D, mask) =>
    agrees({ Lq: 9, Lk: 17, D, mask, causal: mask === "none", key: 5 }, true),
  );

  test.each([160, 161, 300])("for heads %d wide, which threads share", (D) =>
    agrees({ Lq: 9, Lk: 17, D, mask: "−∞ by query", causal: false, key: 5 }),
  );

  test("in f16", () => agrees({ Lq: 33, Lk: 17, D: 25, mask: "bool by key", causal: true, half: true, key: 5 }));

  test("for scores that only a running maximum keeps finite", async () => {
    const draw = (key: number, on: Device) => normal([1, 1, 40, 5], { key, device: on });
    const call = (on: Device) => attention(draw(1, on), draw(2, on), draw(3, on), { scale: 500 }).data();
    const [want, got] = await Promise.all([call(cpu), call(device)]);
    // Scores up to 5000 are off by a few halves of 2⁻¹¹, the spacing of f32 there, and so, relatively, are the weights.
    for (const [i, x] of want.entries()) expect(Math.abs(got[i] - x)).toBeLessThan(8 * 2 ** -12);
  });
});
