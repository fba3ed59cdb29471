import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, fromData, type Tensor, tensor } from "@snoopi/core";
import { afterAll, describe, expect, test } from "vitest";
import { cachedEmbeddings, fillEmbeddings } from "./cached-embeddings.ts";
import { openEmbeddingCache } from "./node/embedding-cache.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-cached-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const open = (dtype: "f16" | "f32" = "f32", mode: "read" | "write" = "write") =>
  openEmbeddingCache(join(root, `${mode === "read" ? folders - 1 : folders++}`), { encoder: "e", shape: [1, 2], dtype, mode });

/** Encodes a prompt as its length and a third of it, which f16 rounds, and keeps what it was asked for. */
function encoder() {
  const asked: string[][] = [];
  const encode = (prompts: readonly string[]): Tensor => {
    asked.push([...prompts]);
    return fromData(Float32Array.from(prompts.flatMap((one) => [one.length, one.length / 3])), {
      shape: [prompts.length, 1, 2],
      dtype: "f32",
    });
  };
  return { asked, encode };
}

describe("cached embeddings", () => {
  test("encode what is missing, in order, once and in batches", async () => {
    using store = await open();
    const { asked, encode } = encoder();
    const embed = cachedEmbeddings(store, { encode, batch: 2, device: cpu });
    using first = await embed(["a", "bb", "a", "ccc"]);
    expect([first.shape, [...(await first.data())]]).toEqual([[4, 1, 2], [...Float32Array.of(1, 1 / 3, 2, 2 / 3, 1, 1 / 3, 3, 1)]]);
    using second = await embed(["dddd", "a", "bb", "e", "eeeee"]);
    expect((await second.data())[2]).toBe(1);
    expect(asked).toEqual([["a", "bb"], ["ccc"], ["dddd", "e"], ["eeeee"]]);
    expect(store.count).toBe(6);
  });

  test("are the same the first time, later, and from another process", async () => {
    const prompts = ["a", "bb", "ccccccc"];
    const { asked, encode } = encoder();
    const values: number[][] = [];
    {
      using store = await open("f16");
      const embed = cachedEmbeddings(store, { encode, device: cpu });
      for (let i = 0; i < 2; i++) {
        using one = await embed(prompts);
        values.push([...(await one.data())]);
      }
    }
    using store = await open("f16", "read");
    using one = await cachedEmbeddings(store, { encode, device: cpu })(prompts);
    values.push([...(await one.data())]);
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).toEqual(values[0]);
    // f16 has 11 bits: a third is off by less than 2⁻¹², and not exact.
    expect(Math.abs(values[0][1] - 1 / 3)).toBeLessThan(2 ** -12);
    expect(values[0][1]).not.toBe(Math.fround(1 / 3));
    expect(asked).toHaveLength(1);
  });

  test("of a store that is open for reading are encoded and not kept", async () => {
    (await open())[Symbol.dispose]();
    using store = await open("f32", "read");
    const { asked, encode } = encoder();
    using one = await cachedEmbeddings(store, { encode, device: cpu })(["a"]);
    expect([await one.data(), asked, store.count]).toEqual([Float32Array.of(1, 1 / 3), [["a"]], 0]);
  });

  test("that are asked for at once encode nothing twice", async () => {
    using store = await open();
    const { asked, encode } = encoder();
    const embed = cachedEmbeddings(store, { encode: async (some) => encode(some), device: cpu });
    const all = await Promise.all([embed(["a", "b"]), embed(["b", "c"]), embed(["c", "a"])]);
    for (const one of all) one.dispose();
    expect(asked).toEqual([["a", "b"], ["c"]]);
  });

  test("refuse an encoder of another shape or with numbers that are not finite, and go on with the next call", async () => {
    using store = await open();
    let wide = true;
    const encode = (some: readonly string[]) => (wide ? tensor([[[1, 2, 3]]]) : tensor([[[Number.NaN, some.length]]]));
    const embed = cachedEmbeddings(store, { encode, device: cpu });
    await expect(embed(["a"])).rejects.toThrow("the encoder made [1, 1, 3], and the store keeps [1, 1, 2]");
    wide = false;
    await expect(embed(["a"])).rejects.toThrow("an embedding has NaN, which is not finite in f32");
    expect(store.count).toBe(0);
  });
});

describe("filling a store", () => {
  test("encodes in full batches what it has not, each prompt once", async () => {
    using store = await open();
    const { asked, encode } = encoder();
    store.add(["b"], Float32Array.of(1, 1 / 3));
    const prompts = ["a", "b", "c", "a", "d", "e", "f", "g"];
    let looked = 0;
    const onPrompts = (count: number) => {
      looked += count;
    };
    expect(await fillEmbeddings(store, prompts, { encode, batch: 3, onPrompts })).toBe(true);
    expect([looked, store.count, store.find(prompts).missing]).toEqual([8, 7, []]);
    expect(asked).toEqual([["a", "c", "d"], ["e"], ["f", "g"]]);
    expect(await fillEmbeddings(store, prompts, { encode, batch: 3 })).toBe(true);
    expect(asked).toHaveLength(3);
  });

  test("stops when it is asked to, and goes on where it was", async () => {
    using store = await open();
    const { asked, encode } = encoder();
    const prompts = ["a", "b", "c", "d", "e"];
    const stop = new AbortController();
    expect(await fillEmbeddings(store, prompts, { encode, batch: 2, signal: stop.signal, onPrompts: () => stop.abort() })).toBe(false);
    expect(asked).toEqual([["a", "b"]]);
    expect(await fillEmbeddings(store, prompts, { encode, batch: 2 })).toBe(true);
    expect(asked.flat()).toEqual(prompts);
  });
});
