import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { f16ToF32 } from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { type EmbeddingCacheOptions, openEmbeddingCache } from "./embedding-cache.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-cache-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(root, `${folders++}`);

const facts = { encoder: "abc", shape: [2, 3], dtype: "f32" } as const;
const open = (folder: string, more: Partial<EmbeddingCacheOptions> = {}) => openEmbeddingCache(folder, { ...facts, ...more });

/** What stands for the encoder: numbers that tell the prompt, exact in f16 as well. */
const encoded = (prompt: string): number[] =>
  Array.from({ length: 6 }, (_, i) => ((prompt.length * 131 + (prompt.charCodeAt(i % prompt.length) || 0)) % 1024) / 8 + i);
const rowsOf = (prompts: readonly string[]) => Float32Array.from(prompts.flatMap(encoded));
const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `prompt ${from + i}`);

async function filled(prompts: readonly string[], more: Partial<EmbeddingCacheOptions> = {}): Promise<string> {
  const folder = fresh();
  using cache = await open(folder, more);
  for (const prompt of prompts) cache.add([prompt], cache.stored(rowsOf([prompt])));
  return folder;
}

describe("a cache of embeddings", () => {
  test.each(["f32", "f16"] as const)("gives back in %s what it was given, also when it is opened again", async (dtype) => {
    const folder = fresh();
    {
      using cache = await open(folder, { dtype });
      cache.add(names(5), cache.stored(rowsOf(names(5))));
      cache.add([], cache.stored(rowsOf([])));
      expect(cache.find(names(1)).missing).toEqual([]);
    }
    using cache = await open(folder, { dtype });
    expect(cache.count).toBe(5);
    const { data, missing } = cache.find(["prompt 3", "another", "prompt 0", "prompt 3"]);
    expect(missing).toEqual([1]);
    const plain = dtype === "f16" ? f16ToF32(data as Uint16Array) : data;
    expect([...plain]).toEqual([...encoded("prompt 3"), 0, 0, 0, 0, 0, 0, ...encoded("prompt 0"), ...encoded("prompt 3")]);
  });

  test("takes a prompt's newest record", async () => {
    const folder = await filled(["a"]);
    using cache = await open(folder);
    cache.add(["a"], rowsOf(["other"]));
    expect([...cache.find(["a"]).data]).toEqual(encoded("other"));
  });

  test("tells prompts apart that are alike, and those of other encoders", async () => {
    const folder = await filled(["a cat"]);
    using cache = await open(folder);
    expect(cache.find(["a cat ", "A cat", "", "a\0cat"]).missing).toEqual([0, 1, 2, 3]);
    await expect(open(folder, { encoder: "abd", mode: "read" })).rejects.toThrow(
      `${folder}: the cache is of another encoder: encoder is "abc" there and "abd" here. Give another folder.`,
    );
    await expect(open(folder, { shape: [3, 2], mode: "read" })).rejects.toThrow("shape is [2,3] there and [3,2] here");
    await expect(open(folder, { dtype: "f16", mode: "read" })).rejects.toThrow('dtype is "f32" there and "f16" here');
  });

  test("keeps no number that is not finite", async () => {
    using cache = await open(fresh(), { dtype: "f16" });
    expect(() => cache.stored(Float32Array.of(0, 70000))).toThrow("an embedding has 70000, which is not finite in f16. Keep f32.");
    expect(() => cache.stored(Float32Array.of(Number.NaN))).toThrow("an embedding has NaN, which is not finite in f16. Check the encoder.");
    expect(() => cache.add(["a"], new Uint16Array(5))).toThrow("5 numbers for 1 prompts of 6 in f16");
    expect(() => cache.add(["a"], new Float32Array(6))).toThrow("Give what stored() made");
  });

  test("whose files end anywhere gives right answers or none, and takes up what is missing", async () => {
    const prompts = names(12);
    const whole = await filled(prompts);
    const files = ["embeddings.bin", "index.bin"].map((name) => ({ name, bytes: readFileSync(join(whole, name)) }));
    const recordBytes = files[0].bytes.length / 12;
    await fc.assert(
      fc.asyncProperty(fc.nat(files[0].bytes.length), fc.nat(files[1].bytes.length), fc.boolean(), async (data, index, wild) => {
        const folder = await filled([]);
        for (const [i, length] of [data, index].entries()) writeFileSync(join(folder, files[i].name), files[i].bytes.subarray(0, length));
        // What stands behind the end in a torn file may be anything.
        if (wild) appendFileSync(join(folder, files[0].name), Buffer.alloc(50, 7));
        const kept = Math.floor(data / recordBytes);
        {
          using reader = await open(folder, { mode: "read" });
          expect(reader.find(prompts).missing).toEqual(prompts.map((_, i) => i).slice(kept));
        }
        {
          using cache = await open(folder);
          const { data, missing } = cache.find(prompts);
          expect(missing).toEqual(prompts.map((_, i) => i).slice(kept));
          expect([...data.subarray(0, 6 * kept)]).toEqual([...rowsOf(prompts.slice(0, kept))]);
          const again = missing.map((i) => prompts[i]);
          cache.add(again, rowsOf(again));
          expect(cache.find(prompts)).toEqual({ data: rowsOf(prompts), missing: [] });
        }
        using cache = await open(folder);
        expect(cache.find(prompts)).toEqual({ data: rowsOf(prompts), missing: [] });
        rmSync(folder, { recursive: true });
      }),
      { numRuns: 40 },
    );
  });

  test("with a byte that has changed misses that prompt alone, and has it again once it is encoded", async () => {
    const prompts = names(4);
    await fc.assert(
      fc.asyncProperty(fc.nat(4 * 48 - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const folder = await filled(prompts);
        const path = join(folder, "embeddings.bin");
        const bytes = readFileSync(path);
        bytes[at] ^= change;
        writeFileSync(path, bytes);
        using cache = await open(folder);
        const broken = Math.floor(at / 48);
        expect(cache.find(prompts).missing).toEqual([broken]);
        expect(cache.damaged).toBe(1);
        cache.add([prompts[broken]], rowsOf([prompts[broken]]));
        expect(cache.find(prompts)).toEqual({ data: rowsOf(prompts), missing: [] });
      }),
      { numRuns: 25 },
    );
  });

  test("whose index speaks of other prompts believes the records", async () => {
    const folder = await filled(["a", "b", "c"]);
    const path = join(folder, "index.bin");
    const index = readFileSync(path);
    // As if the first halves of a's and b's hashes were equal: record 0 is looked at for b, and is not b's.
    index.copy(index, 0, 8, 16);
    writeFileSync(path, index);
    using cache = await open(folder);
    const { data, missing } = cache.find(["b", "c", "a"]);
    expect([missing, [...data.subarray(0, 12)]]).toEqual([[2], [...encoded("b"), ...encoded("c")]]);
  });
});

describe("one process writes a cache at a time", () => {
  test("and a second writer is refused, with the process named, until the first has let go", async () => {
    const folder = fresh();
    {
      using _ = await open(folder);
      await expect(open(folder)).rejects.toThrow(`${folder}: this process writes it already`);
      const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"]);
      try {
        const lock = join(folder, `writer-${hostname().replace(/[^A-Za-z0-9.]/g, "_")}-${other.pid}-0.lock`);
        writeFileSync(lock, "");
        rmSync(join(folder, readdirSync(folder).find((name) => name.includes(`-${process.pid}-`))!));
        await expect(open(folder)).rejects.toThrow(`${folder}: process ${other.pid} writes it. Wait until it ends.`);
        // A lock that was refused is not left behind.
        expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toHaveLength(1);
        other.kill("SIGKILL");
        await once(other, "exit");
        (await open(folder))[Symbol.dispose]();
      } finally {
        other.kill("SIGKILL");
      }
      expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toEqual([]);
    }
    using _ = await open(folder);
  });

  test("and a number that another process got meanwhile does not hold it", async () => {
    const folder = await filled([]);
    const name = hostname().replace(/[^A-Za-z0-9.]/g, "_");
    writeFileSync(join(folder, `writer-${name}-1-123456789.lock`), "");
    if (process.platform === "linux") (await open(folder))[Symbol.dispose]();
    writeFileSync(join(folder, "writer-elsewhere-1-5.lock"), "");
    await expect(open(folder)).rejects.toThrow(
      "process 1 on elsewhere writes it. Wait until it ends, or remove writer-elsewhere-1-5.lock if it is no more.",
    );
  });

  test("while any number read, and see more after a refresh", async () => {
    const folder = fresh();
    using writer = await open(folder);
    using early = await open(folder, { mode: "read" });
    writer.add(["a"], rowsOf(["a"]));
    using late = await open(folder, { mode: "read" });
    expect([early.find(["a"]).missing, late.find(["a"]).missing]).toEqual([[0], []]);
    early.refresh();
    expect([...early.find(["a"]).data]).toEqual(encoded("a"));
    expect(() => early.add(["b"], rowsOf(["b"]))).toThrow("the cache is open for reading. Open it for writing.");
    writer.flush();
  });
});

describe("a folder is refused", () => {
  test("for reading where there is no cache", async () => {
    await expect(open(fresh(), { mode: "read" })).rejects.toThrow("there is no such folder. Open it for writing first.");
    await expect(open(root, { mode: "read" })).rejects.toThrow("there is no cache of embeddings. Open it for writing first.");
  });

  test("with embeddings of nobody knows what, or facts that are none", async () => {
    const folder = await filled(["a"]);
    writeFileSync(join(folder, "cache.json"), "{");
    await expect(open(folder)).rejects.toThrow("cache.json: it cannot be read");
    rmSync(join(folder, "cache.json"));
    await expect(open(folder)).rejects.toThrow("there are embeddings, and no cache.json that says of what. Give another folder.");
    await expect(open(fresh(), { shape: [0, 3] })).rejects.toThrow("embeddings of shape [0, 3] cannot be kept");
    expect(readdirSync(folder).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("and files of one keep their sizes", async () => {
    const folder = await filled(names(3));
    expect([statSync(join(folder, "embeddings.bin")).size, statSync(join(folder, "index.bin")).size]).toEqual([3 * 48, 3 * 8]);
    truncateSync(join(folder, "index.bin"), 0);
    (await open(folder))[Symbol.dispose]();
    expect(statSync(join(folder, "index.bin")).size).toBe(3 * 8);
  });
});
