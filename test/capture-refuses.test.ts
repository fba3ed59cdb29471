import { capture, createCpu, keep, type Tensor, tensor } from "@snoopi/core";
import { sgd } from "@snoopi/core/optim";
import { describe, expect, it } from "vitest";

// What a captured function cannot be, or be called with. A refusal leaves everything as it was.

const values = async (t: Tensor) => [...(await t.data())];

describe("a function that makes state", () => {
  it("leaves the parameters as they were", async () => {
    const w = keep(tensor([1, 2]));
    using step = capture((g: Tensor) => sgd([w], { lr: 0.1, momentum: 0.9, weightDecay: 0.5 }).step([g]));
    expect(() => step(tensor([1, 2]))).toThrow("capture: the function makes a tensor that outlives it.");
    expect(await values(w)).toEqual([1, 2]);
  });

  it("says what it throws itself", async () => {
    const w = keep(tensor([1, 2]));
    using step = capture((g: Tensor) => {
      sgd([w], { lr: 0.1, momentum: 0.9 }).step([g]);
      throw new Error("its own");
    });
    expect(() => step(tensor([1, 2]))).toThrow("its own");
    expect(await values(w)).toEqual([1, 2]);
  });
});

it("may return a tensor that it made and assigned", async () => {
  using twice = capture((x: Tensor) => {
    const made = x.mul(2);
    made.assign(made.mul(2));
    return made;
  });
  for (const v of [1, 2, 3]) expect(await values(twice(tensor([v])))).toEqual([4 * v]);
});

describe("a function that is refused leaves no memory behind:", () => {
  const [device, other] = [createCpu(), createCpu()];
  let made: Tensor | undefined;
  const cases: Record<string, (x: Tensor, state: Tensor) => unknown> = {
    "one that is async": async (x, state) => {
      state.assign(state.add(x));
      return x.mul(2);
    },
    "one that is async and fails later": async (x, state) => {
      state.assign(state.add(x));
      await Promise.resolve();
      throw new Error("unheard");
    },
    "one with a result on another device": (x, state) => {
      state.assign(state.add(x));
      return [x.mul(2), tensor([1, 2], { device: other }).mul(2)];
    },
    "one that makes state": (x, state) => {
      state.assign(state.add(x));
      made = keep(x.mul(2));
      made.assign(x.mul(3));
    },
  };
  it.each(Object.entries(cases))("%s", async (_, fn) => {
    const state = keep(tensor([1, 2], { device }));
    const refused = capture((x: Tensor) => fn(x, state), { device });
    {
      using x = tensor([3, 4], { device });
      expect(() => refused(x)).toThrow(/async|is on cpu|outlives/);
    }
    made?.dispose();
    // What an async function returns comes a turn later.
    await new Promise((resolve) => setTimeout(resolve));
    expect(device.memory().tensors).toBe(1);
    expect(await values(state)).toEqual([1, 2]);
    state.dispose();
    expect([device.memory().tensors, other.memory().tensors]).toEqual([0, 0]);
  });
});

describe("a tensor of the caller's that the function returns", () => {
  it("is left alone, and watched like all that it reads", async () => {
    const w = keep(tensor([1, 2]));
    using pass = capture((x: Tensor) => [x.mul(2), w, w.reshape([2])]);
    for (let i = 0; i < 3; i++) {
      const results = pass(tensor([3, 4]));
      expect(await Promise.all(results.map(values))).toEqual([
        [6, 8],
        [1, 2],
        [1, 2],
      ]);
      for (const t of results) t.dispose();
    }
    expect(await values(w)).toEqual([1, 2]);
    w.assign(tensor([5, 6]));
    expect(() => pass(tensor([3, 4]))).toThrow("capture: a tensor [2] that the captured function reads was assigned since.");
  });
});

describe("a call on another device", () => {
  it("has a program of its own", async () => {
    const [first, second] = [createCpu(), createCpu()];
    using double = capture((x: Tensor) => x.mul(2));
    for (const v of [1, 2]) {
      for (const device of [first, second]) {
        using x = tensor([v], { device });
        using y = double(x);
        expect(y.device).toBe(device);
        expect(await values(y)).toEqual([2 * v]);
      }
    }
    expect(double.programs).toBe(2);
  });

  it("is refused where the device was chosen, or its arguments are on several", () => {
    const [first, second] = [createCpu(), { ...createCpu(), name: "second" }];
    const [a, b] = [tensor([1], { device: first }), tensor([1], { device: second })];
    using double = capture((x: Tensor) => x.mul(2), { device: first });
    expect(() => double(b)).toThrow("capture: an argument [1] is on second and the function on cpu. Move it with await x.copyTo(device).");
    using sum = capture((x: Tensor, y: Tensor) => [x.mul(2), y.mul(2)]);
    expect(() => sum(a, b)).toThrow("capture: an argument [1] is on second and the function on cpu.");
  });
});

describe("a function that reads another tensor than before", () => {
  const says =
    /^capture: the function reads another tensor than when it was captured: outside 0 in "%1 = add\(argument 0, outside 0\)"\. Pass it/;

  it.each(["once", "always"] as const)("is refused when it is recorded again: %s", async (check) => {
    const [a, b] = [tensor([1, 2]), tensor([10, 20])];
    let current = a;
    using plus = capture((x: Tensor) => x.add(current), { check });
    expect(await values(plus(a))).toEqual([2, 4]);
    if (check === "always") expect(await values(plus(a))).toEqual([2, 4]);
    current = b;
    expect(() => plus(a)).toThrow(says);
    current = a;
    expect(await values(plus(b))).toEqual([11, 22]);
  });

  it("is refused where it assigns another, whether it reads it or not", async () => {
    const [a, b] = [keep(tensor([1])), keep(tensor([2]))];
    let pair = [a, b];
    using step = capture(
      (x: Tensor) => {
        pair[0].assign(pair[0].add(x));
        return pair[1].mul(x);
      },
      { check: "always" },
    );
    for (let i = 0; i < 2; i++) step(tensor([1])).dispose();
    pair = [b, a];
    expect(() => step(tensor([1]))).toThrow("capture: the function assigns another tensor [1] than when it was captured. Capture a");
    pair = [b, b];
    expect(() => step(tensor([1]))).toThrow("capture: the function does something else");
    using set = capture((x: Tensor) => pair[0].assign(x.mul(2)));
    set(tensor([4]));
    pair = [a, b];
    expect(() => set(tensor([4]))).toThrow("capture: the function assigns another tensor [1]");
    expect([...(await values(a)), ...(await values(b))]).toEqual([3, 8]);
  });

  it("is refused where it returns what it assigned before", () => {
    const state = keep(tensor([1]));
    let assigns = true;
    using step = capture((x: Tensor) => (assigns ? state.assign(x.mul(2)) : x.mul(2)));
    step(tensor([1]));
    assigns = false;
    expect(() => step(tensor([1]))).toThrow('first "results: ", now "results: %1"');
  });

  it("may read it by another handle, and what other programs moved meanwhile", async () => {
    const w = keep(tensor([1, 2]));
    using move = capture((x: Tensor) => w.assign(w.add(x)));
    let current = w;
    using read = capture((x: Tensor) => x.mul(current), { check: "always" });
    const one = tensor([1]);
    for (let i = 0; i < 4; i++) {
      expect(await values(read(one))).toEqual([1 + i, 2 + i]);
      current = i % 2 ? w : w.reshape([2]);
      expect(await values(read(one))).toEqual([1 + i, 2 + i]);
      current = w;
      move(one);
    }
    expect(read.programs).toBe(1);
  });
});

describe("arguments that cannot be told apart", () => {
  class Model {
    readonly w: Tensor;
    constructor(w: Tensor) {
      this.w = w;
    }
  }
  const x = tensor([1, 2]);

  it.each([
    ["an object of class Model", () => new Model(x)],
    ["an object of class Set", () => ({ of: new Set([x]) })],
    ["an object of class RegExp", () => [/a/]],
    ["an object of class Float32Array", () => new Map([["data", Float32Array.of(1)]])],
    ["a function", () => () => 1],
    ["a symbol", () => Symbol("s")],
    ["an object of class Model", () => new Map([[new Model(x), 1]])],
  ])("are refused: %s", (what, make) => {
    using f = capture((_: unknown, t: Tensor) => t.mul(2));
    expect(() => f(make(), x)).toThrow(
      `capture: an argument is or holds ${what}, and the program for one would run for any other. Pass tensors, numbers and text, in plain objects, arrays or maps.`,
    );
  });
});
