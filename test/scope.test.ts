import {
  apply,
  copyTo,
  createCpu,
  data,
  embedding,
  fromData,
  grad,
  keep,
  type Op,
  ops,
  realize,
  reshape,
  type Shape,
  scope,
  type Tensor,
  tensor,
  tidy,
  vjp,
} from "@snoopi/core";
import { beforeEach, describe, expect, test } from "vitest";

let device = createCpu();
beforeEach(() => {
  device = createCpu();
});
const of = (...values: number[]) => tensor(values, { device });
const live = () => device.memory().tensors;

describe("scope", () => {
  test("frees what was made inside and hands out what is returned", async () => {
    const [y, inside] = scope(() => {
      const x = of(1, 2);
      const y = x.mul(2).add(1);
      return [y, { nested: [x.neg()] }] as const;
    });
    expect(Array.from(await y.data())).toEqual([3, 5]);
    expect(Array.from(await inside.nested[0].data())).toEqual([-1, -2]);
    expect(live()).toBe(2);
    y.dispose();
    inside.nested[0].dispose();
    expect(live()).toBe(0);
  });

  test("computes nothing that does not escape", () => {
    const ids = tensor(Int32Array.of(9), { device });
    scope(() => {
      // Would throw if it ran: there is no row 9.
      embedding(of(1, 2).reshape([2, 1]), ids);
    });
    ids.dispose();
    expect(live()).toBe(0);
  });

  test("frees everything when its body throws, at once or later", async () => {
    expect(() =>
      scope(() => {
        of(1);
        throw new Error("no");
      }),
    ).toThrow("no");
    await expect(
      scope(async () => {
        of(1);
        await Promise.resolve();
        throw new Error("later");
      }),
    ).rejects.toThrow("later");
    expect(live()).toBe(0);
  });

  test("hands tensors to the scope around it", () => {
    scope(() => {
      const y = scope(() => scope(() => of(1).add(1)));
      expect(y.disposed).toBe(false);
    });
    expect(live()).toBe(0);
  });

  test("is also called tidy", () => {
    expect(tidy).toBe(scope);
  });

  test("interleaves with other async scopes without taking their tensors", async () => {
    const results = await Promise.all(
      [1, 2, 3].map((k) =>
        scope(async (s) => {
          let x = s.run(() => of(k));
          for (let i = 0; i < k; i++) {
            await new Promise((done) => setTimeout(done, k));
            x = x.mul(2);
            await realize([x]);
          }
          return x;
        }),
      ),
    );
    expect(await Promise.all(results.map((t) => t.item()))).toEqual([2, 8, 24]);
    expect(live()).toBe(3);
    for (const t of results) t.dispose();
    expect(live()).toBe(0);
  });

  test("does not take what comes after it", () => {
    let escaped: Tensor | undefined;
    let s: Parameters<Parameters<typeof scope>[0]>[0] | undefined;
    scope((inner) => {
      s = inner;
    });
    expect(() => s!.run(() => (escaped = of(1)))).toThrow(
      "scope: it has ended. Make the tensor inside the scope, or in one that is still open.",
    );
    expect(escaped).toBeUndefined();
    expect(live()).toBe(0);
  });

  test("leaves alone what its body got from outside, even when an op has nothing to do", () => {
    const x = of(1, 2);
    scope(() => {
      reshape(x, [2]).dispose();
      x.to("f32").dispose();
      const y = reshape(x, [2]);
      expect(y).not.toBe(x);
    });
    expect(x.disposed).toBe(false);
    x.dispose();
    expect(live()).toBe(0);
  });

  test("lets a kept tensor live", async () => {
    const found: Tensor[] = [];
    scope(() => {
      found.push(keep(of(4)));
    });
    const [x] = found;
    expect(await x.item()).toBe(4);
    x.dispose();
    expect(live()).toBe(0);
  });

  test("owns the copy that one of its tensors makes of itself on another device", async () => {
    const other = createCpu();
    await scope(async (s) => {
      const x = s.run(() => of(1, 2));
      const y = await copyTo(x, other);
      expect(Array.from(await y.data())).toEqual([1, 2]);
      expect(y.device).toBe(other);
    });
    expect([live(), other.memory().tensors]).toEqual([0, 0]);
  });
});

describe("handles", () => {
  test("say so when they are used after they were disposed", async () => {
    const x = of(1, 2, 3);
    x.dispose();
    x.dispose();
    const says = "a f32 tensor [3] is used after it was disposed. Return it from its scope, or dispose it later.";
    expect(() => x.add(1)).toThrow(says);
    await expect(data(x)).rejects.toThrow(says);
    await expect(realize([x])).rejects.toThrow(says);
    expect(x.shape).toEqual([3]);
  });

  test("end with their block when declared by using", () => {
    {
      using x = of(1);
      expect(x.disposed).toBe(false);
    }
    expect(live()).toBe(0);
  });

  test("of views keep the storage they look at", async () => {
    const x = of(1, 2, 3, 4);
    const view = x.reshape([2, 2]).transpose();
    await realize([view]);
    expect(live()).toBe(1);
    x.dispose();
    expect(Array.from(await view.data())).toEqual([1, 3, 2, 4]);
  });

  test("are freed as soon as their last reader has run", async () => {
    const size: Shape = [1000];
    const y = scope(() => {
      let x = fromData(new Float32Array(1000).fill(1), { shape: size, dtype: "f32", device });
      // softmax does not fuse: each of the 20 has a storage of its own, and at most two live at once.
      for (let i = 0; i < 20; i++) x = apply(ops.softmax, [x], undefined);
      return x;
    });
    await realize([y]);
    expect(device.memory().peakBytes).toBe(8000);
    y.dispose();
    expect(live()).toBe(0);
  });

  test("leave no storage behind when a computation fails", async () => {
    const [table, ids] = [of(1, 2).reshape([2, 1]), tensor(Int32Array.of(5), { device })];
    const before = live();
    const y = embedding(table.mul(2), ids);
    await expect(y.data()).rejects.toThrow("embedding: id 5 is not a row of the table [2, 1].");
    y.dispose();
    table.dispose();
    ids.dispose();
    expect(live()).toBeLessThanOrEqual(before);
  });

  test("of several devices cannot be realized together", async () => {
    await expect(realize([of(1), tensor([1], { device: createCpu() })])).rejects.toThrow(
      "realize: one tensor is on cpu and another on cpu. Realize those of each device together.",
    );
  });

  test("may be read while a larger computation that fused them is under way", async () => {
    const heavy: Op = { name: "heavy", infer: ([x]) => x, reference: ([x], _, out) => out.data.set(x.data), cost: () => 1e10 };
    const base = scope(() => apply(heavy, [of(3)], undefined));
    const [middle, end] = [base.add(1), scope(() => apply(heavy, [base.add(1)], undefined))];
    const whole = scope(() => middle.mul(2).add(end));
    base.dispose();
    const reads: Promise<number>[] = [];
    await realize([whole], { onProgress: () => reads.push(middle.item()) });
    expect(await Promise.all(reads)).toContain(4);
    expect(await whole.item()).toBe(12);
    for (const t of [middle, end, whole]) t.dispose();
    expect(live()).toBe(0);
  });

  test("report FLOPs that add up to the total, those of fused formulas included", async () => {
    const heavy: Op = { name: "heavy", infer: ([x]) => x, reference: ([x], _, out) => out.data.set(x.data), cost: () => 1e10 };
    const y = scope(() => apply(heavy, [of(1, 2, 3).mul(2).add(1).div(3)], undefined));
    const seen: [number, number][] = [];
    await realize([y], { onProgress: (...report) => seen.push(report) });
    expect(seen).toEqual([
      [1e10 + 9, 1e10 + 9],
      [1e10 + 9, 1e10 + 9],
    ]);
    y.dispose();
    expect(live()).toBe(0);
  });

  test("stop between submits when a signal says so, and go on later", async () => {
    const stop = new AbortController();
    // An op that claims to be more work than one submit may hold.
    const heavy: Op = {
      name: "heavy",
      infer: ([x]) => x,
      reference: ([x], _, out) => out.data.set(x.data.map((v: number) => 2 * v)),
      cost: () => 1e10,
    };
    const y = scope(() => {
      let x = of(1);
      for (let i = 0; i < 5; i++) x = apply(heavy, [x], undefined);
      return x;
    });
    const seen: number[] = [];
    const run = realize([y], {
      signal: stop.signal,
      onProgress: (done, total) => {
        seen.push(done / total);
        stop.abort(new Error("enough"));
      },
    });
    await expect(run).rejects.toThrow("enough");
    expect(seen).toEqual([1 / 5]);
    expect(await y.item()).toBe(32);
    y.dispose();
    expect(live()).toBe(0);
  });
});

describe("gradients in scopes", () => {
  test("leave nothing behind, whether called on a scalar or through vjp", async () => {
    const x = of(1, 2, 3);
    const g = grad((v: Tensor) => v.mul(v).sum())(x);
    expect(Array.from(await g.data())).toEqual([2, 4, 6]);
    g.dispose();
    scope(() => {
      const [y, pull] = vjp((v: Tensor) => v.mul(v), x);
      pull(y);
    });
    x.dispose();
    expect(live()).toBe(0);
  });

  test("leave nothing behind outside of scopes once the pullback is disposed of", async () => {
    const x = of(1, 2);
    {
      const [y, pull] = vjp((v: Tensor) => v.mul(v), x);
      using pullback = pull;
      await realize([y]);
      const g = pullback(y);
      expect(await g.data()).toEqual(Float32Array.of(2, 16));
      g.dispose();
      y.dispose();
      // The gradient of a square reads what was squared, which is x, and neither y nor anything else.
      expect(live()).toBe(1);
    }
    expect(live()).toBe(1);
    const [same, pull] = vjp((v: Tensor) => v, x);
    pull[Symbol.dispose]();
    expect(await same.data()).toEqual(Float32Array.of(1, 2));
    for (const t of [same, x]) t.dispose();
    expect(live()).toBe(0);
  });

  test("cannot be pulled back after their scope has ended", () => {
    const x = of(1);
    const [, pull] = scope(() => vjp((v: Tensor) => v.mul(2), x));
    expect(() => pull(of(1))).toThrow("vjp: the pullback is called after it was disposed. Call it before the scope around vjp ends.");
  });
});
