import {
  capture,
  checkpoint,
  createCpu,
  type Device,
  data,
  fromData,
  grad,
  jvp,
  keep,
  realize,
  scope,
  type Tensor,
  vjp,
} from "@snoopi/core";
import { checkGrads } from "@snoopi/core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { arbProgram, type Program, runProgram, startOf } from "./oracles/program.ts";

// Random programs: tensors read more than once, mixed broadcasting, views, reductions and products.

const numRuns = 150;
/** Another run of programs: PROGRAM_SEED=n npm test. */
const firstSeed = Number(process.env.PROGRAM_SEED ?? 3);
console.info(`random programs: seed ${firstSeed}`);
const check = (property: (program: Program, seed: number) => Promise<void>, runs = numRuns) =>
  fc.assert(fc.asyncProperty(arbProgram, fc.nat({ max: 1 << 16 }), property), { numRuns: runs, seed: firstSeed });

/** All values of a program, computed in one of several ways. */
async function valuesOf(device: Device, program: Program, seed: number, each: (t: Tensor) => Promise<unknown> = async () => {}) {
  return scope(async (s) => {
    const inputs = s.run(() => startOf(program, seed, "f32", device));
    const made = [...inputs];
    for (const step of program.steps) {
      made.push(s.run(() => step.run(made)));
      await each(made[made.length - 1]);
    }
    return Promise.all(made.slice(inputs.length).map(async (t) => Array.from(await data(t))));
  });
}

describe("a program computes the same, to the last bit,", () => {
  test("step by step and all at once", () =>
    check(async (program, seed) => {
      const device = createCpu();
      expect(await valuesOf(device, program, seed)).toEqual(await valuesOf(device, program, seed, (t) => realize([t])));
      expect(device.memory().bytes).toBe(0);
    }));

  test("fused into its last value and step by step", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const eager = await valuesOf(device, program, seed, (t) => realize([t]));
      const fused = await scope(async (s) =>
        Array.from(await data(s.run(() => runProgram(program, startOf(program, seed, "f32", device))))),
      );
      expect(fused).toEqual(eager.at(-1));
      expect(device.memory().bytes).toBe(0);
    }));

  test("when handles are disposed of before anything ran", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const eager = await valuesOf(device, program, seed, (t) => realize([t]));
      const inputs = startOf(program, seed, "f32", device);
      const made = [...inputs];
      for (const step of program.steps) made.push(step.run(made));
      const last = made.pop()!;
      for (const t of made) t.dispose();
      expect(Array.from(await data(last))).toEqual(eager.at(-1));
    }));

  test("captured and plain, at every call", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const captured = capture((inputs: readonly Tensor[]) => runProgram(program, inputs), { check: "always" });
      for (const other of [seed, seed + 1, seed + 2]) {
        await scope(async (s) => {
          const plain = s.run(() => runProgram(program, startOf(program, other, "f32", device)));
          const replayed = s.run(() => captured(startOf(program, other, "f32", device)));
          expect(Array.from(await data(replayed))).toEqual(Array.from(await data(plain)));
        });
      }
      captured[Symbol.dispose]();
      expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
    }));

  test("while it is being differentiated and when it is not", () =>
    check(async (program, seed) => {
      const device = createCpu();
      await scope(async (s) => {
        const plain = s.run(() => runProgram(program, startOf(program, seed, "f32", device)));
        const [heard] = s.run(() => vjp((xs: Tensor[]) => runProgram(program, xs), startOf(program, seed, "f32", device)));
        expect(Array.from(await data(heard))).toEqual(Array.from(await data(plain)));
      });
      expect(device.memory().bytes).toBe(0);
    }));
});

describe.each(devices.filter(({ device }) => device.name !== "cpu"))("on $name", ({ device }) => {
  test("a program computes what it does on the CPU", () =>
    check(async (program, seed) => {
      const want = await valuesOf(createCpu(), program, seed, (t) => realize([t]));
      const got = await scope(async (s) => Array.from(await data(s.run(() => runProgram(program, startOf(program, seed, "f32", device))))));
      const scale = Math.max(1, ...want.flat().map(Math.abs));
      // Programs are 12 steps of sums of at most 64 terms; sin and tanh alone are good to 2⁻¹¹ by the specification, and later steps may double that each.
      got.forEach((v, i) => {
        expect(Math.abs(v - want.at(-1)![i])).toBeLessThanOrEqual(scale * 2 ** -11 * 4);
      });
    }, 40));

  test("a captured program computes what the plain one does, to the last bit", () =>
    check(async (program, seed) => {
      using captured = capture((inputs: readonly Tensor[]) => runProgram(program, inputs));
      for (const other of [seed, seed + 1]) {
        await scope(async (s) => {
          const plain = s.run(() => runProgram(program, startOf(program, other, "f32", device)));
          const replayed = s.run(() => captured(startOf(program, other, "f32", device)));
          expect(Array.from(await data(replayed))).toEqual(Array.from(await data(plain)));
        });
      }
    }, 40));
});

describe("gradients of a program", () => {
  test("agree with finite differences", () =>
    check(async (program, seed) => {
      await checkGrads((...xs) => runProgram(program, xs), startOf(program, seed, "f64", createCpu()), { name: "program", seed });
    }));

  test("are the same to the last bit when the program is checkpointed, and when the whole is captured", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const plain = (xs: readonly Tensor[]) => grad((ys: readonly Tensor[]) => runProgram(program, ys).mul(0.5).sum())(xs);
      const again = (xs: readonly Tensor[]) =>
        grad((ys: readonly Tensor[]) =>
          checkpoint((zs: readonly Tensor[]) => runProgram(program, zs))(ys)
            .mul(0.5)
            .sum(),
        )(xs);
      using captured = capture(plain);
      const values = async (gradients: (xs: readonly Tensor[]) => readonly Tensor[]) =>
        scope(async (s) =>
          Promise.all(s.run(() => gradients(startOf(program, seed, "f32", device))).map(async (g) => Array.from(await data(g)))),
        );
      const expected = await values(plain);
      expect(await values(again)).toEqual(expected);
      expect(await values(captured)).toEqual(expected);
      expect(await values(captured)).toEqual(expected);
    }));

  test("are the transpose of what jvp gives: ⟨u, Jv⟩ = ⟨Jᵀu, v⟩", () =>
    check(async (program, seed) => {
      const device = createCpu();
      await scope(async (s) => {
        const at = (k: number) => startOf(program, k, "f64", device);
        const [xs, vs] = s.run(() => [at(seed), at(seed + 1)]);
        const f = (ys: Tensor[]) => runProgram(program, ys);
        const [y, tangent] = s.run(() => jvp(f, xs, vs));
        const u = s.run(() => y.mul(0.25).add(1));
        const gradients = s.run(() => {
          const [, pull] = vjp(f, xs);
          return pull(u);
        });
        const left = await s.run(() => u.mul(tangent).sum()).item();
        const parts = await Promise.all(gradients.map((g, i) => s.run(() => g.mul(vs[i]).sum()).item()));
        const right = parts.reduce((a, b) => a + b, 0);
        expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(left) + parts.reduce((a, b) => a + Math.abs(b), 0)));
      });
    }));

  test("are freed with what led to them", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const inputs = startOf(program, seed, "f32", device);
      const before = device.memory();
      const gradients = grad((xs: Tensor[]) => runProgram(program, xs).mul(0.5).sum())(inputs);
      expect(device.memory()).toMatchObject({ tensors: before.tensors });
      await realize(gradients);
      for (const t of gradients) t.dispose();
      expect(device.memory()).toMatchObject({ tensors: before.tensors, bytes: before.bytes });
      for (const t of inputs) t.dispose();
      expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
    }));

  test("are pulled back after every handle has been disposed of", () =>
    check(async (program, seed) => {
      const device = createCpu();
      const pulled = async (dispose: boolean) => {
        const xs = startOf(program, seed, "f32", device);
        const [y, pull] = vjp((xs: Tensor[]) => runProgram(program, xs), xs);
        const cotangent = fromData(new Float32Array(y.shape.reduce((n, d) => n * d, 1)).fill(1), { shape: y.shape, dtype: "f32", device });
        if (dispose) for (const t of [...xs, y]) t.dispose();
        const gradients = pull(cotangent);
        if (dispose) pull[Symbol.dispose]();
        return Promise.all(gradients.map(async (g) => Array.from(await data(g))));
      };
      expect(await pulled(true)).toEqual(await pulled(false));
    }, 60));
});

describe("memory returns to where it was", () => {
  /** What a program does with its handles, at random. */
  const habits = fc.array(fc.constantFrom("realize", "dispose", "keep", "nest", "wait", "make"), { minLength: 1, maxLength: 25 });

  test("whatever a scope's body keeps, disposes of, computes, nests or waits for", () =>
    fc.assert(
      fc.asyncProperty(habits, fc.nat({ max: 1 << 20 }), async (actions, seed) => {
        const device = createCpu();
        const weights = fromData(Float32Array.of(1, 2, 3), { shape: [3], dtype: "f32", device });
        const kept: Tensor[] = [];
        const escaped = await scope(async (s) => {
          const mine = [s.run(() => weights.mul(2))];
          for (const [k, action] of actions.entries()) {
            const at = (seed + k) % mine.length;
            if (action === "make") mine.push(s.run(() => mine[at].add(mine[(seed >> 3) % mine.length])));
            if (action === "wait") {
              await Promise.resolve();
              // After an await, a result belongs where its shortest-lived operand does.
              mine.push(mine[at].mul(3));
            }
            if (action === "realize") await realize([mine[at]]);
            if (action === "nest") mine.push(s.run(() => scope(() => mine[at].sub(1).mul(mine[at]).add(weights))));
            if (action === "keep") kept.push(keep(s.run(() => mine[at].neg())));
            if (action === "dispose" && mine.length > 1) mine.splice(at, 1)[0].dispose();
          }
          return mine[mine.length - 1];
        });
        expect(escaped.disposed).toBe(false);
        const value = Array.from(await data(escaped));
        expect(value.length).toBe(3);
        for (const t of kept) {
          await data(t);
          t.dispose();
        }
        escaped.dispose();
        expect(device.memory()).toMatchObject({ tensors: 1, bytes: 12 });
        weights.dispose();
        expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
      }),
      { numRuns: 300, seed: 5 },
    ));
});
