import {
  add,
  amax,
  amin,
  attention,
  broadcastTo,
  cast,
  concat,
  createCpu,
  data,
  exp,
  floor,
  fromData,
  grad,
  greater,
  groupNorm,
  layerNorm,
  matmul,
  maximum,
  mean,
  minimum,
  mul,
  noGrad,
  pad,
  pow,
  relu,
  scope,
  sign,
  slice,
  softmax,
  sqrt,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
  variance,
  vjp,
  where,
} from "@snoopi/core";
import { checkGrads } from "@snoopi/core/testing";
import { describe, expect, test } from "vitest";

const device = createCpu();
const f64 = (values: number[], shape = [values.length]) => fromData(Float64Array.from(values), { shape, dtype: "f64", device });
const list = async (t: Tensor) => Array.from(await data(t));

describe("grad", () => {
  test("adds up where a tensor is read more than once", async () => {
    expect(await list(grad((x: Tensor) => sum(x.mul(x).mul(x).add(x)))(f64([2, -1])))).toEqual([13, 4]);
  });

  test("keeps the form of its argument, and passes the rest on untouched", async () => {
    const loss = ({ w, rest: [b] }: { w: Tensor; rest: [Tensor] }, x: Tensor, power: number) => sum(pow(w.mul(x).add(b), power));
    const { w, rest } = grad(loss)({ w: f64([2]), rest: [f64([1])] }, f64([3]), 2);
    expect([await list(w), await list(rest[0])]).toEqual([[42], [14]]);
  });

  test("is zero for what the value does not depend on", async () => {
    const { a, b } = grad(({ a }: { a: Tensor; b: Tensor }) => sum(a))({ a: f64([1, 2]), b: tensor([[1, 2]], { dtype: "f16", device }) });
    expect(await list(a)).toEqual([1, 1]);
    expect([b.dtype, b.shape, await list(b)]).toEqual(["f16", [1, 2], [0, 0]]);
  });

  test("takes a tensor that the function reaches from outside as a constant", async () => {
    const x = f64([3]);
    expect(await list(grad((v: Tensor) => sum(v.mul(x)))(x))).toEqual([3]);
    expect(
      await list(
        grad((v: Tensor) =>
          sum(
            mul(
              v,
              noGrad(() => v.mul(v)),
            ),
          ),
        )(x),
      ),
    ).toEqual([9]);
  });

  test("returns handles of their own, one for each variable", async () => {
    const [a, b] = grad(([a, b]: [Tensor, Tensor]) => sum(add(a, b)))([f64([1]), f64([2])]);
    a.dispose();
    expect(await list(b)).toEqual([1]);
    const cotangent = f64([5]);
    const [, pull] = vjp((x: Tensor) => x, f64([1]));
    pull(cotangent).dispose();
    expect(await list(cotangent)).toEqual([5]);
  });

  test("nests: third derivatives of x⁴ and e^x", async () => {
    const third = (f: (x: Tensor) => Tensor) => grad((x: Tensor) => sum(grad((y: Tensor) => sum(grad((z: Tensor) => sum(f(z)))(y)))(x)));
    expect((await list(third((x) => pow(x, 4))(f64([2]))))[0]).toBeCloseTo(48, 10);
    expect((await list(third(exp)(f64([0.5]))))[0]).toBeCloseTo(Math.exp(0.5), 10);
  });

  test("of an inner gradient sees variables of the outer one", async () => {
    // d/dy [ y · d/dx (x²y) ] at x = 3, y = 2: d/dy (2xy²) = 4xy.
    const outer = grad((y: Tensor) => sum(y.mul(grad((x: Tensor) => sum(x.mul(x).mul(y)))(f64([3])))));
    expect(await list(outer(f64([2])))).toEqual([24]);
  });

  test("has the type of its variable where types are mixed", async () => {
    const half = tensor([1, 2], { dtype: "f16", device });
    const g = grad((w: Tensor) => sum(w.mul(tensor([0.5, 0.25], { device }))))(half);
    expect([g.dtype, await list(g)]).toEqual(["f16", [0.5, 0.25]]);
    const through = grad((x: Tensor) => sum(cast(x, "f16").mul(3)))(tensor([1, 2], { device }));
    expect([through.dtype, await list(through)]).toEqual(["f32", [3, 3]]);
  });

  test("is zero through comparisons, floors and signs, and does not stop at booleans", async () => {
    const x = f64([-1.5, 2.5]);
    expect(await list(grad((v: Tensor) => sum(mul(greater(v, 0), v)))(x))).toEqual([0, 1]);
    expect(await list(grad((v: Tensor) => sum(floor(v).add(sign(v)).mul(7)))(x))).toEqual([0, 0]);
    expect(await list(grad((v: Tensor) => sum(cast(v, "i32")).to("f64"))(x))).toEqual([0, 0]);
  });

  test("does not mix 0 · ∞ into the branch that where leaves out", async () => {
    const root = (v: Tensor) => where(greater(v, 0), sqrt(where(greater(v, 0), v, 1)), 0);
    expect(await list(grad((v: Tensor) => sum(root(v)))(f64([4, 0, -1])))).toEqual([0.25, 0, 0]);
    expect(await list(grad((v: Tensor) => sum(relu(v)))(f64([1, 0, -1])))).toEqual([1, 0, 0]);
    expect(await list(grad((v: Tensor) => sum(pow(v, 0)))(f64([0, 2])))).toEqual([0, 0]);
    expect(await list(grad((v: Tensor) => sum(pow(v, 2)))(f64([0, -3])))).toEqual([0, -6]);
  });

  test("is shared by equal maxima, as in PyTorch", async () => {
    expect(await list(grad((x: Tensor) => sum(amax(x).mul(6)))(f64([2, 1, 2, 2])))).toEqual([2, 0, 2, 2]);
    expect(await list(grad((x: Tensor) => sum(amin(x)))(f64([3, 1, 1])))).toEqual([0, 0.5, 0.5]);
    expect(await list(grad((x: Tensor) => sum(maximum(x, 1).add(minimum(x, 1))))(f64([1, 2])))).toEqual([1, 1]);
    expect(await list(grad((x: Tensor) => sum(maximum(x, 1)))(f64([1, 2, 0])))).toEqual([0.5, 1, 0]);
  });

  test("refuses what is no tensor", () => {
    expect(() => grad((async (x: Tensor) => x) as unknown as (x: Tensor) => Tensor)(f64([1]))).toThrow(
      "vjp: the function must return a tensor, got a promise.",
    );
    expect(() => grad((() => 3) as unknown as (x: Tensor) => Tensor)(f64([1]))).toThrow(
      "vjp: the function must return a tensor, got number.",
    );
  });

  test("leaves nothing behind when the function throws", () => {
    const device = createCpu();
    const x = fromData(Float32Array.of(1), { shape: [1], dtype: "f32", device });
    const fails = (v: Tensor): Tensor => {
      const y = v.mul(2);
      throw new Error(`no ${y.rank}`);
    };
    expect(() => grad(fails)(x)).toThrow("no 1");
    x.dispose();
    expect(device.memory().tensors).toBe(0);
  });

  test("comes with the value when asked for both", async () => {
    const [value, g] = valueAndGrad((x: Tensor) => sum(x.mul(x)))(f64([1, 2]));
    expect([await value.item(), await list(g)]).toEqual([5, [2, 4]]);
  });
});

describe("vjp", () => {
  test("may be pulled back more than once, and is linear", async () => {
    const [, pull] = vjp((x: Tensor) => exp(x).mul(x), f64([0.3, -1]));
    const [a, b, both] = await Promise.all([list(pull(f64([1, 2]))), list(pull(f64([3, -1]))), list(pull(f64([5, 3])))]);
    both.forEach((v, i) => {
      expect(v).toBeCloseTo(2 * a[i] + b[i], 12);
    });
  });

  test("is the transpose of the derivative: ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ for linear functions", async () => {
    const A = f64([1, 2, 3, 4, 5, 6], [2, 3]);
    const linear = (x: Tensor) =>
      slice(
        pad(matmul(A, x), [
          [1, 0],
          [0, 2],
        ]),
        [
          [0, 3],
          [0, 4, 2],
        ],
      );
    const [v, u] = [f64([1, -1, 2, 0, 3, 1], [3, 2]), f64([1, 2, 3, 4, 5, 6], [3, 2])];
    const [y, pull] = vjp(linear, v);
    expect(await sum(y.mul(u)).item()).toBe(await sum(pull(u).mul(v)).item());
  });
});

describe("composites have gradients that agree with finite differences", () => {
  const x = f64([0.3, -1.2, 0.7, 2.1, -0.4, 1.5], [2, 3]);
  const composites: Record<string, (x: Tensor) => Tensor> = {
    mean: (x) => mean(x, { axis: 0 }),
    variance: (x) => variance(x, { axis: 1 }),
    "softmax over another axis": (x) => softmax(x, { axis: 0 }),
    "concat of itself": (x) => concat([x, x.mul(2)], { axis: 1 }),
    "layerNorm of groupNorm": (x) => layerNorm(groupNorm(x.reshape([1, 2, 3]), 1)),
    "self-attention": (x) => attention(...([x, x.mul(0.5), x.neg()].map((t) => t.reshape([1, 1, 2, 3])) as [Tensor, Tensor, Tensor])),
    "broadcast and back": (x) => sum(broadcastTo(x, [4, 2, 3]), { axis: [0, 2] }),
    "cropping pad": (x) =>
      pad(
        x,
        [
          [-1, 1],
          [2, -1],
        ],
        { value: 3 },
      ),
  };
  test.each(Object.entries(composites))("%s", (name, f) => checkGrads(f, [x], { name, order: 2 }));

  test("attention of a query that may look at nothing has no gradient, of any order", async () => {
    const [q, k, v] = [x, x.mul(0.5), x.neg()].map((t) => t.reshape([1, 1, 2, 3]));
    const mask = tensor(
      [
        [true, false],
        [false, false],
      ],
      { device },
    );
    const f = (q: Tensor, k: Tensor, v: Tensor, mask: Tensor) => attention(q, k, v, { mask });
    await checkGrads(f, [q, k, v, mask], { name: "attention", order: 2 });
    expect((await list(f(q, k, v, mask))).slice(3)).toEqual([0, 0, 0]);
  });
});

test("a chain of ten thousand steps is recorded, differentiated and run", async () => {
  const g = scope(() =>
    grad((x: Tensor) => {
      let y = x;
      for (let i = 0; i < 10_000; i++) y = y.add(0.001).mul(1);
      return sum(y);
    })(f64([1])),
  );
  expect(await list(g)).toEqual([1]);
});
