import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blockOrder } from "./block-order.ts";
import { listSource } from "./list-source.ts";
import { type PromptBatch, type PromptBatchesOptions, promptBatches } from "./prompt-batches.ts";

const numbered = (count: number) => listSource(Array.from({ length: count }, (_, i) => `prompt ${i}`));

async function all(options: PromptBatchesOptions): Promise<PromptBatch[]> {
  const batches: PromptBatch[] = [];
  for await (const one of promptBatches(options)) batches.push(one);
  return batches;
}
const said = (batches: readonly PromptBatch[]) => batches.flatMap(({ prompts }) => prompts);
/** As a checkpoint keeps it. */
const kept = <T>(value: T): T => JSON.parse(JSON.stringify(value));

const some = fc.record({
  count: fc.integer({ min: 1, max: 40 }),
  batch: fc.integer({ min: 1, max: 9 }),
  blockLength: fc.integer({ min: 1, max: 12 }),
  epochs: fc.integer({ min: 1, max: 3 }),
  seed: fc.option(fc.nat(1000)),
});

describe("batches of prompts", () => {
  test("have every prompt once an epoch, and none moves out of its block", async () => {
    await fc.assert(
      fc.asyncProperty(some, async ({ count, epochs, ...rest }) => {
        const source = numbered(count);
        const prompts = said(await all({ source, epochs, ...rest }));
        expect(prompts).toHaveLength(count * epochs);
        for (let epoch = 0; epoch < epochs; epoch++) {
          const numbers = prompts.slice(epoch * count, (epoch + 1) * count).map((one) => Number(one.slice(7)));
          expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
          for (const [i, n] of numbers.entries()) expect(Math.floor(n / rest.blockLength)).toBe(Math.floor(i / rest.blockLength));
        }
      }),
    );
  });

  test("all have their size, but for the last", async () => {
    await fc.assert(
      fc.asyncProperty(some, async ({ count, batch, ...rest }) => {
        const sizes = (await all({ source: numbered(count), batch, ...rest })).map(({ prompts }) => prompts.length);
        expect(sizes.slice(0, -1).every((size) => size === batch)).toBe(true);
        expect(sizes.at(-1)).toBeGreaterThan(0);
      }),
    );
  });

  test("from any position are those that followed it", async () => {
    await fc.assert(
      fc.asyncProperty(some, async ({ count, ...rest }) => {
        const options = { source: numbered(count), ...rest };
        const batches = await all(options);
        for (const [i, { position }] of batches.entries()) {
          expect(await all({ ...options, position: kept(position) })).toEqual(batches.slice(i + 1));
        }
      }),
      { numRuns: 40 },
    );
  });

  test("are in the source's order without a seed, and in another one in each epoch with it", async () => {
    const source = numbered(50);
    const plain = said(await all({ source, batch: 7, seed: null, epochs: 1 }));
    expect(plain).toEqual(Array.from({ length: 50 }, (_, i) => `prompt ${i}`));
    const shuffled = said(await all({ source, batch: 7, seed: 3, epochs: 2 }));
    expect(shuffled.slice(0, 50)).not.toEqual(plain);
    expect(shuffled.slice(50)).not.toEqual(shuffled.slice(0, 50));
    expect(said(await all({ source, batch: 7, seed: 3, epochs: 2 }))).toEqual(shuffled);
    expect(said(await all({ source, batch: 7, seed: 4, epochs: 1 }))).not.toEqual(shuffled.slice(0, 50));
  });

  test("go on without end where no number of epochs is given", async () => {
    let count = 0;
    for await (const { position } of promptBatches({ source: numbered(3), batch: 2, seed: 0 })) {
      if (++count === 100) {
        expect(position.epoch).toBe(66);
        break;
      }
    }
  });

  test("refuse a position of another order, an empty source and sizes that are none", async () => {
    const options = { source: numbered(5), batch: 2, seed: 1 };
    const [{ position }] = await all({ ...options, epochs: 1 });
    await expect(all({ ...options, position, seed: 2 })).rejects.toThrow(
      "prompts: the position is of another order: seed is 1 there and 2 here.",
    );
    await expect(all({ ...options, position, source: numbered(6) })).rejects.toThrow("size is 5 there and 6 here");
    await expect(all({ ...options, position, blockLength: 3 })).rejects.toThrow("blockLength is 65536 there and 3 here");
    await expect(all({ ...options, source: numbered(0) })).rejects.toThrow("prompts: there is no prompt in it.");
    await expect(all({ ...options, batch: 0 })).rejects.toThrow("promptBatches: batch is 0. Give a whole number of 1 or more.");
    await expect(all({ ...options, blockLength: Number.POSITIVE_INFINITY, epochs: 1.5 })).rejects.toThrow("epochs is 1.5");
  });
});

test("in the order of a block each prompt comes to each place equally often", () => {
  const [length, draws] = [5, 4000];
  const counts = Array.from({ length }, () => new Float64Array(length));
  for (let i = 0; i < draws; i++) for (const [place, n] of blockOrder([7, i], length).entries()) counts[place][n]++;
  // A place's count is binomial with a standard deviation of √(draws · 0.2 · 0.8) = 25.3: five of them, for 25 counts.
  for (const row of counts) for (const count of row) expect(Math.abs(count - draws / length)).toBeLessThan(5 * 25.3);
});
