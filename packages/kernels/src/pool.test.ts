import { OutOfMemoryError } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { globals } from "webgpu";
import { Pool, type PoolOptions, sizeClass } from "./pool.ts";

Object.assign(globalThis, globals);

/** A device that only makes buffers, and says which were destroyed. */
function fake(maxBytes = 2 ** 30, options: PoolOptions = {}) {
  const [made, destroyed]: number[][] = [[], []];
  const createBuffer = ({ size }: { size: number }) => {
    const n = made.push(size) - 1;
    return { destroy: () => destroyed.push(n) };
  };
  return { made, destroyed, pool: new Pool({ createBuffer } as unknown as GPUDevice, maxBytes, options) };
}

test("size classes hold what is asked for, waste at most an eighth of it beyond 256 bytes, and are whole alignments", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (bytes) => {
      const size = sizeClass(bytes);
      expect(size).toBeGreaterThanOrEqual(bytes);
      expect(size - bytes).toBeLessThan(bytes / 8 + 256);
      expect(size % 256).toBe(0);
      expect(sizeClass(size)).toBe(size);
    }),
  );
});

test("a block that was given back is taken again by the next request of its class, and by no other", () => {
  const { made, pool } = fake();
  const first = pool.take(5000);
  pool.give(first);
  expect(pool.take(sizeClass(5000))).toBe(first);
  expect(pool.take(5000)).not.toBe(first);
  expect(pool.take(50_000)).not.toBe(first);
  expect(made).toHaveLength(3);
});

test("rounding never takes a block across a limit that its bytes stay below", () => {
  const [most, maxBinding] = [2 ** 31 - 4, 2 ** 20 - 4];
  const { pool } = fake(most, { maxBinding });
  for (const [bytes, size] of [
    [maxBinding - 60_000, Math.ceil((maxBinding - 60_000) / 256) * 256],
    [maxBinding + 4, 2 ** 20],
    [most - 10 ** 7, Math.ceil((most - 10 ** 7) / 256) * 256],
  ]) {
    expect(pool.sizeFor(bytes)).toBe(size);
    const block = pool.take(bytes);
    expect(block.bytes).toBe(size);
    pool.give(block);
    expect(pool.take(bytes)).toBe(block);
  }
});

test("no block is ever held twice, whatever the order of taking and giving", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.boolean(), fc.nat()), { maxLength: 100 }), (steps) => {
      const { pool } = fake();
      const held: ReturnType<typeof pool.take>[] = [];
      for (const [bytes, take, which] of steps) {
        if (take) {
          const block = pool.take(bytes);
          expect(held).not.toContain(block);
          expect(block.bytes).toBeGreaterThanOrEqual(bytes);
          held.push(block);
        } else if (held.length) {
          pool.give(held.splice(which % held.length, 1)[0]);
        }
        expect(pool.memory().tensors).toBe(held.length);
        expect(pool.memory().bytes).toBe(held.reduce((sum, b) => sum + b.bytes, 0));
      }
    }),
  );
});

test("the report tells live bytes from pooled ones and remembers the peak", () => {
  const { pool } = fake();
  const [a, b] = [pool.take(1024), pool.take(2048)];
  pool.give(a);
  expect(pool.memory()).toMatchObject({ tensors: 1, bytes: 2048, peakBytes: 3072, pooledBytes: 1024 });
  pool.give(b);
  expect(pool.memory()).toMatchObject({ tensors: 0, bytes: 0, peakBytes: 3072, pooledBytes: 3072 });
});

test("trimming destroys what is pooled and leaves what is held", () => {
  const { destroyed, pool } = fake();
  const [idle, used] = [pool.take(1024), pool.take(1024)];
  pool.give(idle);
  pool.trim();
  expect(destroyed).toEqual([0]);
  expect(pool.memory()).toMatchObject({ tensors: 1, bytes: 1024, pooledBytes: 0 });
  pool.give(used);
  expect(pool.take(1024)).toBe(used);
});

test("near the largest buffer a block is not rounded beyond it", () => {
  const { made, pool } = fake(100_000);
  pool.take(99_000);
  expect(made).toEqual([Math.ceil(99_000 / 256) * 256]);
});

test("more than the largest buffer is refused with both sizes, and nothing is counted", () => {
  const { pool } = fake(100_000);
  expect(() => pool.take(100_001)).toThrow(OutOfMemoryError);
  expect(() => pool.take(100_001)).toThrow(
    "webgpu: a tensor of 100001 bytes does not fit into one buffer of this device, which holds 100000. Use a smaller batch or size.",
  );
  expect(pool.memory()).toMatchObject({ tensors: 0, bytes: 0, peakBytes: 0, pooledBytes: 0 });
});

test("what a budget has no room for destroys what is pooled, after everything encoded was handed over", () => {
  let destroyedBefore = -1;
  const { destroyed, pool } = fake(2 ** 30, { budgetBytes: 4096, settle: () => (destroyedBefore = destroyed.length) });
  const first = pool.take(2048);
  pool.take(1024);
  pool.give(first);
  pool.take(1024);
  expect([destroyed, destroyedBefore]).toEqual([[], -1]);
  pool.take(1536);
  expect([destroyed, destroyedBefore]).toEqual([[0], 0]);
  expect(pool.memory()).toMatchObject({ tensors: 3, bytes: 3584, pooledBytes: 0, peakDeviceBytes: 4096 });
});

test("more than a budget is refused with the budget, the request and the largest owners, and nothing is counted", () => {
  const { pool } = fake(2 ** 30, { budgetBytes: 8192 });
  const small = pool.take(1000, "250 of f32");
  pool.take(1000, "250 of f32");
  pool.take(4096);
  const held = pool.memory();
  expect(() => pool.take(4000)).toThrow(OutOfMemoryError);
  expect(() => pool.take(4000)).toThrow(
    "webgpu: 4096 bytes more do not fit into the budget of 8192, of which 6144 are held: 1 of 4096 bytes, 2 of 1024 bytes (250 of f32). Dispose of what is not needed, use a smaller batch or size, or raise budgetBytes.",
  );
  expect(pool.memory()).toEqual(held);
  pool.give(small);
  expect(pool.take(1000)).toBe(small);
});

test("a budget is never exceeded, whatever the order of taking and giving", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.boolean(), fc.nat()), { maxLength: 100 }), (steps) => {
      const { pool } = fake(2 ** 30, { budgetBytes: 10_000 });
      const held: ReturnType<typeof pool.take>[] = [];
      for (const [bytes, take, which] of steps) {
        if (!take) held.splice(which % Math.max(1, held.length), 1).forEach((b) => void pool.give(b));
        else if (pool.memory().bytes + sizeClass(bytes) <= 10_000) held.push(pool.take(bytes));
        else expect(() => pool.take(bytes)).toThrow("do not fit into the budget of 10000");
        expect(pool.memory().peakDeviceBytes).toBeLessThanOrEqual(10_000);
      }
    }),
  );
});
