import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { openEmbeddingCache } from "./embedding-cache.ts";

const folder = mkdtempSync(join(tmpdir(), "snoopi-kill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Records of a quarter of a megabyte, sixteen a write, so that most kills fall into one.
const size = 64 * 1024;
const atOnce = 16;
const facts = { encoder: "e", shape: [1, size], dtype: "f32" } as const;

/** Writes prompts without end, beginning behind those that are there, and says after each write how many there are. */
const writer = `
  import { openEmbeddingCache } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, "embedding-cache.ts")).href)};
  const cache = await openEmbeddingCache(process.argv[1], ${JSON.stringify(facts)});
  const rows = new Float32Array(${atOnce * size});
  for (let n = Number(process.argv[2]); ; n += ${atOnce}) {
    const prompts = Array.from({ length: ${atOnce} }, (_, i) => String(n + i));
    for (let i = 0; i < ${atOnce}; i++) rows.fill(n + i, i * ${size}, (i + 1) * ${size});
    cache.add(prompts, rows);
    process.stdout.write(n + ${atOnce} + "\\n");
  }`;

const args = (...words: readonly string[]) => ["--conditions=source", "--import", "tsx", "--input-type=module", "--eval", ...words];
const cwd = resolve(import.meta.dirname, "../../../../..");

/** Runs a writer and kills it some milliseconds after its first write; how many prompts it said it had written. */
async function killed(from: number, after: number): Promise<number> {
  const child = spawn(process.execPath, args(writer, folder, String(from)), { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  let written = from;
  try {
    const lines = createInterface(child.stdout);
    lines.on("line", (line) => {
      written = Number(line);
    });
    await Promise.race([once(lines, "line"), exit]);
    await new Promise((done) => setTimeout(done, after));
  } finally {
    child.kill("SIGKILL");
  }
  expect(await exit).toEqual([null, "SIGKILL"]);
  return written;
}

describe("a cache whose writer is killed", () => {
  let there = 0;
  test.each([0, 6, 12, 15, 18, 21])("%i ms after a write has all that was written, and is written on", async (after) => {
    const written = await killed(there, after);
    using cache = await openEmbeddingCache(folder, facts);
    expect(cache.count).toBeGreaterThanOrEqual(written);
    expect(cache.count).toBeLessThanOrEqual(written + 16 * atOnce);
    for (let n = 0; n < cache.count; n++) {
      const { data, missing } = cache.find([String(n)]);
      expect([missing, data.every((value) => value === n)]).toEqual([[], true]);
    }
    expect(cache.find([String(cache.count)]).missing).toEqual([0]);
    there = cache.count;
  });
});

test.skipIf(process.platform === "win32")("a cache that finds no room says so, and keeps what it had", async () => {
  const full = mkdtempSync(join(tmpdir(), "snoopi-full-"));
  try {
    // The system refuses to let a file grow beyond 10,000 blocks, whose size depends on the shell: a part of a write fits.
    const { stderr } = spawnSync("sh", ["-c", 'ulimit -f 10000; exec "$0" "$@"', process.execPath, ...args(writer, full, "0")], { cwd });
    expect(String(stderr)).toMatch(/SnoopiError: .*embeddings.bin: it cannot be written, EFBIG/);
    const records = statSync(join(full, "embeddings.bin")).size / (24 + 4 * size);
    expect(records % atOnce).toBe(0);
    using cache = await openEmbeddingCache(full, facts);
    expect(cache.count).toBe(records);
    expect(cache.find(["0", String(records - 1), String(records)]).missing).toEqual([2]);
  } finally {
    rmSync(full, { recursive: true, force: true });
  }
});
