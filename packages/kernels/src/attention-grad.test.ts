import { attention, cast, cpu, type Device, greater, normal, permute, reshape, type Tensor, tensor, vjp } from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import { webgpu } from "./node.ts";

const real = await webgpu();
afterAll(() => real.destroy());
const groups = createBackend(real.gpu, { ...real.facts, subgroupSize: undefined, software: false }, real.description);

type Mask = "none" | "bool by key" | "bool by query" | "float" | "float by query";

interface Case {
  readonly batch: number;
  readonly heads: number;
  readonly Lq: number;
  readonly Lk: number;
  readonly D: number;
  readonly mask: Mask;
  readonly causal: boolean;
  readonly split?: boolean;
  readonly half?: boolean;
  readonly key: number;
}

function maskOf(device: Device, { batch, heads, Lq, Lk, mask, key }: Case): Tensor | undefined {
  const draw = (shape: number[]) => normal(shape, { key: key + 9, device });
  if (mask === "none") return undefined;
  if (mask === "bool by key") return greater(draw([batch, 1, 1, Lk]), -0.5);
  // Some queries may look at nothing.
  if (mask === "bool by query") return greater(draw([1, heads, Lq, 1]), 0);
  return mask === "float" ? draw([batch, heads, Lq, Lk]) : draw([Lq, 1]);
}

/** Attention and the gradients of q, k and v for a random cotangent: only the first `count` of the four, as each takes a kernel. */
async function gradients(device: Device, c: Case, count: number): Promise<Float64Array[]> {
  const heads = (L: number, key: number) => {
    const x = c.split
      ? permute(reshape(normal([c.batch, L, c.heads * c.D], { key, device }), [c.batch, L, c.heads, c.D]), [0, 2, 1, 3])
      : normal([c.batch, c.heads, L, c.D], { key, device });
    return c.half ? cast(x, "f16") : x;
  };
  const mask = maskOf(device, c);
  const [y, pull] = vjp(
    ([q, k, v]: Tensor[]) => attention(q, k, v, { causal: c.causal, ...(mask && { mask }) }),
    [heads(c.Lq, c.key), heads(c.Lk, c.key + 1), heads(c.Lk, c.key + 2)],
  );
  const results = await Promise.all([y, ...pull(heads(c.Lq, c.key + 3))].slice(0, count).map((t) => t.data()));
  return results.map((x) => Float64Array.from(x));
}

async function agree(device: Device, c: Case, count = 4) {
  const [want, got] = await Promise.all([gradients(cpu, c, count), gradients(device, c, count)]);
  want.forEach((w, i) => {
    const error = Math.sqrt(w.reduce((sum, x, j) => sum + (x - got[i][j]) ** 2, 0));
    const size = Math.sqrt(w.reduce((sum, x) => sum + x * x, 0));
    // Norms of sums over width and tokens, with 32 roundings for exp and the scores it magnifies. What f16 rounds on both sides, the output
    // in Σ g∘o included, may differ by 2⁻¹⁰. Gradients of q and k that cancel are small beside their terms, which are of order one.
    const relative = c.half ? 2 ** -9 : (Math.sqrt(c.D + c.Lq + c.Lk) + 32) * 2 ** -24;
    expect(error, `result ${i}`).toBeLessThanOrEqual(relative * (size + Math.sqrt(w.length)));
  });
}

const edge = (...tiles: number[]) => fc.constantFrom(1, 2, ...tiles.flatMap((t) => [t - 1, t, t + 1]));
const cases = (D: fc.Arbitrary<number>, halves: boolean): fc.Arbitrary<Case> =>
  fc.record({
    batch: fc.constantFrom(1, 2),
    heads: fc.constantFrom(1, 3),
    Lq: edge(8, 16, 32, 64),
    Lk: edge(8, 16, 32, 64),
    D,
    mask: fc.constantFrom<Mask>("none", "bool by key", "bool by query", "float", "float by query"),
    causal: fc.boolean(),
    split: fc.boolean(),
    half: halves ? fc.boolean() : fc.constant(false),
    key: fc.nat({ max: 1000 }),
  });

const holds = (device: Device, all: fc.Arbitrary<Case>, numRuns: number) =>
  fc.assert(
    fc.asyncProperty(all, (c) => agree(device, c)),
    { numRuns, seed: 11, interruptAfterTimeLimit: 120_000 },
  );

describe("gradients through attention are the reference's", () => {
  test("for any number of queries and keys, any mask, of heads apart or split", () => holds(real, cases(fc.constantFrom(8, 40), true), 40));

  test("for widths that do not divide by four", () => holds(real, cases(fc.constant(9), false), 20));

  test.each([80, 160, 512])("for heads %d wide", (D) =>
    agree(real, { batch: 1, heads: 2, Lq: 17, Lk: 33, D, mask: "bool by key", causal: true, key: 5 }),
  );

  test("in workgroup memory, where there are no subgroups", () => holds(groups, cases(fc.constant(7), false), 20), 200_000);

  test(
    "in workgroup memory, for heads that several groups share",
    () => agree(groups, { batch: 2, heads: 2, Lq: 65, Lk: 33, D: 100, mask: "none", causal: false, key: 5 }, 2),
    200_000,
  );
});

describe("what no query may look at", () => {
  test.each([
    ["subgroups", real, 8],
    ["threads", real, 5],
    ["workgroup memory", groups, 7],
  ] as const)("gets and gives no gradient, with %s", async (_, device, D) => {
    const draw = (L: number, key: number) => normal([1, 1, L, D], { key, device });
    const seen = tensor([[true], [false], [true]], { device });
    const [y, pull] = vjp(([q, k, v]: Tensor[]) => attention(q, k, v, { mask: seen }), [draw(3, 1), draw(5, 2), draw(5, 3)]);
    const [dq] = await Promise.all(pull(draw(3, 4)).map((t) => t.data()));
    expect([...dq.subarray(D, 2 * D)]).toEqual(Array(D).fill(0));
    expect(dq.every(Number.isFinite)).toBe(true);
    expect([...(await y.data()).subarray(D, 2 * D)]).toEqual(Array(D).fill(0));
  });
});
