import {
  abs,
  add,
  amax,
  amin,
  attention,
  cast,
  clamp,
  type Device,
  erf,
  exp,
  full,
  geglu,
  gelu,
  groupNorm,
  layerNorm,
  log,
  matmul,
  maximum,
  mean,
  minimum,
  quickGelu,
  relu,
  sigmoid,
  silu,
  sizeOf,
  softmax,
  sqrt,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  vjp,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

// What is not a number is not lost on the way to a loss, where training looks for it. Places are PyTorch's. WGSL lets a driver assume that
// there is no NaN, so on a GPU this is what kernels do where the driver does not: the adapter that these tests run on.

const nan = Number.NaN;

/** Which elements are NaN, as digits. */
const places = async (x: Tensor) => Array.from(await x.data(), (v) => (Number.isNaN(v) ? "1" : "0")).join("");

const at = (values: readonly number[], device: Device, shape: readonly number[] = [values.length]) =>
  tensor([...values], { shape, device });

/** A row of numbers with one that is none in the middle, long enough that most kernels give every thread several. */
const row = Array.from({ length: 1500 }, (_, i) => (i === 750 ? nan : (i % 13) - 6));

const logSumExp = (x: Tensor) => {
  const top = stopGradient(amax(x, { axis: -1, keepdims: true }));
  return add(top, log(sum(exp(sub(x, top)), { axis: -1, keepdims: true })));
};

const along: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  sum: (x) => sum(x, { axis: -1, keepdims: true }),
  mean: (x) => mean(x, { axis: -1, keepdims: true }),
  amax: (x) => amax(x, { axis: -1, keepdims: true }),
  amin: (x) => amin(x, { axis: -1, keepdims: true }),
  logSumExp,
  softmax,
  logSoftmax: (x) => sub(x, logSumExp(x)),
  layerNorm: (x) => layerNorm(x),
  groupNorm: (x) => groupNorm(x.reshape([x.shape[0], 1, -1]), 1),
};

const each: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  abs,
  exp,
  sqrt: (x) => sqrt(abs(x)),
  tanh,
  erf,
  sigmoid,
  relu,
  silu,
  quickGelu,
  gelu: (x) => gelu(x),
  geluTanh: (x) => gelu(x, { approximate: "tanh" }),
  geglu: (x) => geglu(x.reshape([-1, 1]).mul(tensor([1, 1], { device: x.device }))),
  "maximum of it and a number": (x) => maximum(x, 0),
  "maximum of a number and it": (x) => maximum(0, x),
  "minimum of it and a number": (x) => minimum(x, 0),
  "minimum of a number and it": (x) => minimum(0, x),
  clamp: (x) => clamp(x, -1, 1),
};

/** What spreads NaN over the gradient of all of a row. Sums hand theirs on whatever they added. */
const spread = new Set(["amax", "amin", "logSumExp", "softmax", "logSoftmax", "layerNorm", "groupNorm"]);

describe.each(devices)("on $name", ({ device }) => {
  test.each(Object.keys(along))("%s of a row with NaN is NaN, other rows are not, and its gradient is as PyTorch's", async (name) => {
    for (const length of [7, 8, 1500]) {
      const part = row.slice(750 - (length >> 1)).slice(0, length);
      const clean = part.map((v) => (Number.isNaN(v) ? 1 : v));
      const [y, pull] = vjp(along[name], at([...clean, ...part, ...clean], device, [3, length]));
      const rows = (middle: string, width: number) => "0".repeat(width) + middle.repeat(width) + "0".repeat(width);
      expect(await places(y)).toBe(rows("1", sizeOf(y.shape) / 3));
      expect(await places(pull(full(y.shape, 1, { device })))).toBe(rows(spread.has(name) ? "1" : "0", length));
    }
  });

  test("amax keeps it along any axes, few or many, of turned tensors too", async () => {
    const x = at([...row, ...row.map(() => 1)], device, [2, 1500]);
    expect(await places(amax(x, { axis: 0 }))).toBe(row.map((v) => (Number.isNaN(v) ? "1" : "0")).join(""));
    expect(await places(amax(x.reshape([2, 3, 500]), { axis: [0, 2] }))).toBe("010");
    expect(
      await places(
        amax(
          at(
            [...row, ...row, ...row, ...row].map((v, i) => (i < 1500 ? v : 1)),
            device,
          ),
        ),
      ),
    ).toBe("1");
  });

  test.each(Object.keys(each))("%s gives NaN for NaN only", async (name) => {
    expect(await places(each[name](at([1, nan, -2, 0.5, nan], device)))).toBe("01001");
  });

  test.each([
    ["maximum", maximum],
    ["minimum", minimum],
  ] as const)("%s hands the gradient on to both where either is NaN", async (_name, f) => {
    const [, pull] = vjp(([a, b]: readonly Tensor[]) => f(a, b), [at([nan, 0.5, nan], device), at([0.25, nan, nan], device)]);
    for (const g of pull(at([1, 1, 1], device))) expect(Array.from(await g.data())).toEqual([1, 1, 1]);
  });

  test("a cast to halves gives NaN for NaN only, and one to booleans true", async () => {
    expect(await places(cast(at([1, nan, -2, 0.5, nan, 3, 4, 5], device), "f16"))).toBe("01001000");
    expect(Array.from(await cast(at([1, nan, -2, 0.5, nan, 3, 4, 5], device), "f16").data()).filter((v) => !Number.isNaN(v))).toEqual([
      1, -2, 0.5, 3, 4, 5,
    ]);
    expect(Array.from(await cast(at([-0.5, 0, nan], device), "bool").data())).toEqual([1, 0, 1]);
  });

  test("relu hands the gradient on to NaN", async () => {
    const [, pull] = vjp(relu, at([nan, 1, 0, -1], device));
    expect(Array.from(await pull(at([1, 1, 1, 1], device)).data())).toEqual([1, 1, 0, 0]);
  });

  test("matmul spreads it over a row or a column", async () => {
    const [a, b] = [at([1, nan, 1, 1], device, [2, 2]), at([1, 1, 1, 1], device, [2, 2])];
    expect([await places(matmul(a, b)), await places(matmul(b, a))]).toEqual(["1100", "0101"]);
  });

  describe.each([5, 8])("attention of heads %d wide", (D) => {
    const [Lq, Lk] = [9, 17];
    /** Places of what it gives and of the gradients of q, k and v, of which one has NaN in the first column of its second row. */
    async function found(where: "q" | "k" | "v", options: { readonly causal?: boolean; readonly mask?: Tensor } = {}) {
      const draw = (name: "q" | "k" | "v", length: number) =>
        at(
          Array.from({ length: length * D }, (_, i) => (name === where && i === D ? nan : Math.sin(i + length))),
          device,
          [1, 1, length, D],
        );
      const call = ([q, k, v]: readonly Tensor[]) => attention(q, k, v, options);
      const [y, pull] = vjp(call, [draw("q", Lq), draw("k", Lk), draw("v", Lk)]);
      const [dq, dk, dv] = pull(full(y.shape, 1, { device }));
      const plain = call([draw("q", Lq), draw("k", Lk), draw("v", Lk)]);
      const [out, same] = [await places(y), await places(plain)];
      expect(same).toBe(out);
      return { out, dq: await places(dq), dk: await places(dk), dv: await places(dv) };
    }
    const [queries, keys] = [Lq * D, Lk * D];
    const second = "0".repeat(D) + "1".repeat(D) + "0".repeat(queries - 2 * D);
    const masks = { none: () => undefined, "a float mask": () => full([Lq, Lk], 0.5, { device }) };

    test.each(Object.entries(masks))("spreads a key's to every query, and to all gradients: %s", async (_, mask) => {
      const m = mask();
      expect(await found("k", m && { mask: m })).toEqual({
        out: "1".repeat(queries),
        dq: "1".repeat(queries),
        dk: "1".repeat(keys),
        dv: "1".repeat(keys),
      });
    });

    test.each(Object.entries(masks))("spreads a value's to its column, and to the gradients of queries and keys: %s", async (_, mask) => {
      const m = mask();
      expect(await found("v", m && { mask: m })).toEqual({
        out: `1${"0".repeat(D - 1)}`.repeat(Lq),
        dq: "1".repeat(queries),
        dk: "1".repeat(keys),
        dv: "0".repeat(keys),
      });
    });

    test.each(Object.entries(masks))(
      "keeps a query's to it, and spreads it to the gradients of all keys and values: %s",
      async (_, mask) => {
        const m = mask();
        expect(await found("q", m && { mask: m })).toEqual({ out: second, dq: second, dk: "1".repeat(keys), dv: "1".repeat(keys) });
      },
    );

    test("spreads a key's to the queries that look at it alone", async () => {
      const { out, dk, dv } = await found("k", { causal: true });
      expect(out).toBe("0".repeat(D) + "1".repeat(queries - D));
      // Keys that no query looks at have gradients of zero, which zero times NaN need not leave alone.
      const seen = queries;
      expect([dk.slice(0, seen), dv.slice(0, seen)]).toEqual(["1".repeat(seen), "1".repeat(seen)]);
    });
  });
});
