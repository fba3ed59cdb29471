import { capture, cast, exp, grad, keep, linear, mean, normal, silu, type Tensor, tensor, valueAndGradients } from "@snoopi/core";
import { adamw, sgd } from "@snoopi/core/optim";
import { describe, expect, it } from "vitest";
import { devices } from "./devices.ts";

describe.each(devices)("capture on $name", ({ device }) => {
  it("gives what the function gives, for every value of its arguments", async () => {
    using double = capture((x: ReturnType<typeof tensor>) => ({ y: x.mul(2).add(1) }));
    for (const v of [1, 2, 3]) {
      const { y } = double(tensor([v, v + 1], { device }));
      expect([...(await y.data())]).toEqual([2 * v + 1, 2 * v + 3]);
    }
    expect(double.programs).toBe(1);
  });

  it("runs a training step that moves parameters and optimiser state in place, as the plain step does", async () => {
    const build = () => {
      const w = keep(normal([8, 4], { key: 1, device }));
      const b = keep(normal([8], { key: 2, device }));
      const optimizer = adamw({ w, b }, { lr: 0.05, gated: true, packed: true });
      const step = (x: typeof w, y: typeof w) => {
        const [loss, gradients] = valueAndGradients({ w, b }, () =>
          mean(
            silu(linear(x, w, b))
              .sub(y)
              .pow(2),
          ),
        );
        optimizer.step(gradients);
        return loss;
      };
      return { w, b, step, optimizer };
    };
    const eager = build();
    const other = build();
    using captured = capture(other.step);
    for (let i = 0; i < 5; i++) {
      const x = normal([16, 4], { key: 10 + i, device });
      const y = normal([16, 8], { key: 20 + i, device });
      const expected = await eager.step(x, y).item();
      expect(await captured(x, y).item()).toBeCloseTo(expected, 5);
    }
    const [a, b] = [await eager.w.data(), await other.w.data()];
    for (let i = 0; i < a.length; i++) expect(b[i]).toBeCloseTo(a[i], 5);
    expect(captured.programs).toBe(1);
  });

  it("makes one program for each combination of shapes, and of what in the arguments is no tensor", async () => {
    using scaled = capture((x: Tensor, { by }: { by: number }) => x.mul(by));
    expect([...(await scaled(tensor([1, 2], { device }), { by: 3 }).data())]).toEqual([3, 6]);
    expect([...(await scaled(tensor([1], { device }), { by: 3 }).data())]).toEqual([3]);
    expect([...(await scaled(tensor([1, 2], { device }), { by: 4 }).data())]).toEqual([4, 8]);
    expect(scaled.programs).toBe(3);
  });

  it("leaves results of earlier calls as they were", async () => {
    using next = capture((x: Tensor) => x.add(1));
    const a = next(tensor([1], { device }));
    const b = next(a);
    const c = next(b);
    expect([await a.item(), await b.item(), await c.item()]).toEqual([2, 3, 4]);
  });

  it("moves state in place and leaves a copy to whoever holds the value before", async () => {
    const count = keep(tensor([0, 10], { device }));
    using tick = capture(
      () => {
        const before = count.add(0);
        count.assign(count.add(1));
        return [before, count.mul(2)];
      },
      { device },
    );
    const [, twice] = tick();
    expect([...(await twice.data())]).toEqual([2, 22]);
    const recorded = count.mul(100);
    const held = count.reshape([2, 1]).reshape([2]);
    const [before, later] = tick();
    expect([...(await before.data())]).toEqual([1, 11]);
    expect([...(await later.data())]).toEqual([4, 24]);
    expect([...(await recorded.data())]).toEqual([100, 1100]);
    expect([...(await held.data())]).toEqual([1, 11]);
    expect([...(await count.data())]).toEqual([2, 12]);
    tick();
    expect([...(await held.data())]).toEqual([1, 11]);
    expect([...(await count.data())]).toEqual([3, 13]);
  });

  it("moves several states of which some hold a value that others hold too", async () => {
    const others = [1, 2].map((v) => tensor([v, v], { device }));
    const [a, b, c] = [keep(tensor([0, 0], { device })), keep(tensor([0, 0], { device })), keep(tensor([5], { device }))];
    a.assign(others[0]);
    b.assign(others[1]);
    using step = capture(
      () => {
        c.assign(c.mul(2));
        b.assign(b.add(c));
        a.assign(a.add(b));
      },
      { device, check: "always" },
    );
    for (let i = 0; i < 3; i++) step();
    expect([await a.data(), await b.data(), await c.data()].map((v) => [...v])).toEqual([[117, 117], [72, 72], [40]]);
    expect([...(await others[0].data())]).toEqual([1, 1]);
  });

  it.each([1, 2])("moves one state by %i functions with programs for several shapes", async (functions) => {
    const state = keep(tensor([0, 0], { device }));
    const steps = Array.from({ length: functions }, () =>
      capture((x: Tensor) => {
        state.assign(state.mul(2).add(x.sum()));
        return state.sum();
      }),
    );
    let expected = 0;
    for (const [i, length] of [1, 2, 1, 2, 3, 1, 1].entries()) {
      expected = 2 * expected + length;
      const sum = steps[i % functions](tensor(new Float32Array(length).fill(1), { device }));
      expect([await sum.item(), ...(await state.data())]).toEqual([2 * expected, expected, expected]);
    }
    for (const step of steps) step[Symbol.dispose]();
    expect([...(await state.data())]).toEqual([expected, expected]);
  });

  it.each(["reader", "writer"])("reads what another captured function assigns, whichever is first: the %s", async (first) => {
    const weight = keep(tensor([1, 2], { device }));
    const shared = keep(weight.reshape([2]));
    using write = capture((x: Tensor) => weight.assign(weight.add(x)));
    using read = capture((x: Tensor) => weight.mul(x), { check: "always" });
    using other = capture((x: Tensor) => shared.add(weight).mul(x));
    const one = tensor([1], { device });
    if (first === "reader") expect([...(await read(one).data()), ...(await other(one).data())]).toEqual([1, 2, 2, 4]);
    for (let i = 1; i < 5; i++) {
      write(one);
      expect([...(await read(one).data())]).toEqual([1 + i, 2 + i]);
      expect([...(await other(one).data())]).toEqual([2 + i, 4 + i]);
    }
    weight.assign(tensor([7, 7], { device }));
    expect(() => read(one)).toThrow(/was assigned since/);
    expect([...(await shared.data())]).toEqual([1, 2]);
  });

  it("keeps what it reads beside what it moves, where both began as one value", async () => {
    const moving = keep(tensor([1], { device }));
    await moving.data();
    const still = keep(moving.reshape([1]));
    const alias = keep(cast(moving, "f32"));
    using step = capture((x: Tensor) => {
      moving.assign(moving.add(x));
      return [still.mul(1), alias.mul(1)];
    });
    for (let i = 1; i < 4; i++) {
      const results = step(tensor([10], { device }));
      expect([await results[0].item(), await results[1].item(), await moving.item()]).toEqual([1, 1, 1 + 10 * i]);
    }
  });

  it("takes up a value that was assigned from outside", async () => {
    const state = keep(tensor([1, 2], { device }));
    using double = capture(
      () => {
        state.assign(state.mul(2));
      },
      { device },
    );
    double();
    state.assign(tensor([5, 6], { device }));
    double();
    expect([...(await state.data())]).toEqual([10, 12]);
  });

  it("does what the plain step does when a part of a packed tensor is assigned, with and without its optimiser being told", async () => {
    const values = async (captured: boolean, told: boolean) => {
      const params = { a: keep(tensor([1], { device })), b: keep(tensor([2, 3], { device })) };
      using optimizer = sgd(params, { lr: 1, momentum: 0.5, packed: true });
      const plain = (x: Tensor) => optimizer.step({ a: x, b: params.b.mul(0.5).add(x) });
      using step = capture(plain);
      const seen: number[] = [];
      for (let i = 0; i < 4; i++) {
        (captured ? step : plain)(tensor([i], { device }));
        if (i === 1) params.b.assign(tensor([20, 30], { device }));
        if (i === 1 && told) optimizer.adopt();
        seen.push(...(await params.a.data()), ...(await params.b.data()));
      }
      return seen;
    };
    for (const told of [false, true]) expect(await values(true, told)).toEqual(await values(false, told));
  });

  it("swaps two states", async () => {
    const [a, b] = [keep(tensor([1], { device })), keep(tensor([2], { device }))];
    using swap = capture(
      () => {
        const held = a.mul(1);
        a.assign(b);
        b.assign(held);
        return [a, b];
      },
      { device },
    );
    for (let i = 0; i < 3; i++) {
      const results = swap();
      expect([await results[0].item(), await results[1].item()]).toEqual(i % 2 ? [1, 2] : [2, 1]);
    }
    expect([await a.item(), await b.item()]).toEqual([2, 1]);
  });

  it("keeps apart states that began as one tensor", async () => {
    const a = keep(tensor([1], { device }));
    const b = keep(a.reshape([1]));
    using step = capture(
      () => {
        a.assign(a.add(1));
        b.assign(b.add(10));
      },
      { device },
    );
    step();
    step();
    expect([await a.item(), await b.item()]).toEqual([3, 21]);
  });

  it("refuses a number that changed outside", () => {
    let rate = 1;
    using scaled = capture((x: Tensor) => x.mul(rate));
    const x = tensor([1], { device });
    scaled(x);
    rate = 2;
    expect(() => scaled(x)).toThrow(/something else than when it was captured.*full.*Pass what changes as an argument/);
  });

  it("refuses data that changed outside, and random numbers that move on", () => {
    let seed = 0;
    using drawn = capture((x: Tensor) => x.add(normal([2], { key: seed++, device })));
    const x = tensor([1, 2], { device });
    drawn(x);
    expect(() => drawn(x)).toThrow(/something else than when it was captured.*random/);
    let numbers = [1, 2];
    using shifted = capture((y: Tensor) => y.add(tensor(numbers, { device })));
    shifted(x);
    numbers = [1, 3];
    expect(() => shifted(x)).toThrow(/made inside/);
  });

  it("refuses an optimiser that counts its steps in JavaScript", () => {
    const w = keep(tensor([1, 2], { device }));
    const optimizer = adamw({ w }, { lr: 0.1 });
    using step = capture((x: Tensor) => optimizer.step({ w: x }));
    step(tensor([1, 1], { device }));
    expect(() => step(tensor([1, 1], { device }))).toThrow(/something else/);
  });

  it("refuses to go on when a tensor it reads was assigned or disposed of", () => {
    const factor = keep(tensor([2], { device }));
    using scaled = capture((x: Tensor) => x.mul(factor));
    const x = tensor([1], { device });
    scaled(x);
    factor.assign(tensor([3], { device }));
    expect(() => scaled(x)).toThrow(/was assigned since. Pass it as an argument/);
    factor.dispose();
    expect(() => scaled(x)).toThrow(/was disposed. Keep it/);
  });

  it("refuses to be differentiated through, to be async, and to make state", () => {
    const x = tensor([1], { device });
    using double = capture((v: Tensor) => v.mul(2));
    expect(() => grad((v: Tensor) => double(v).sum())(x)).toThrow(/no gradient flows through a captured call/);
    using late = capture(async (v: Tensor) => v.mul(2));
    expect(() => late(x)).toThrow(/async/);
  });

  it("returns everything it held when it is disposed of", async () => {
    const before = device.memory().bytes;
    const state = keep(tensor(new Float32Array(1000), { device }));
    const step = capture((x: Tensor) => {
      state.assign(state.add(exp(x).mul(x).sum()));
      return state.sum();
    });
    for (let i = 0; i < 3; i++) {
      using x = tensor(new Float32Array(5000), { device });
      using y = step(x);
      await y.item();
    }
    step[Symbol.dispose]();
    state.dispose();
    expect(device.memory().bytes).toBeLessThanOrEqual(before);
  });
});
