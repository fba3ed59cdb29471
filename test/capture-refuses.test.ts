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
