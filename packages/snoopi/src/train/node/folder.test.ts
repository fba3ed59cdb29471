import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openEmbeddingCache } from "../../prompts/node/embedding-cache.ts";
import { readClipDecoder } from "./clip-decoder.ts";
import { isThere } from "./folder.ts";
import { originOf } from "./origin.ts";
import { makePairs, type PairsOptions } from "./pairs.ts";
import { snapshotsOf } from "./snapshot.ts";
import { takeStart } from "./start.ts";
import { writeStudent } from "./student-folder.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-folder-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test.each<[string, string, (model: string) => Promise<unknown>, string]>([
  [
    "a start's pairs",
    "training/pairs",
    (start) => takeStart({ start, out: join(home, "out"), resume: false }, { pairs: {}, free: [] }),
    "pairs",
  ],
  ["a student's snapshots", "snapshots", snapshotsOf, "snapshots"],
  ["a model's weights", "unet", (model) => originOf(model, ["unet"]), ".safetensors files"],
])("%s are missing where there is no folder; one that cannot be read says so", async (_, name, reads, what) => {
  const model = mkdtempSync(join(home, "model-"));
  const folder = join(model, name);
  await expect(reads(model)).rejects.toThrow(`${folder}: there are no ${what}`);
  mkdirSync(dirname(folder), { recursive: true });
  writeFileSync(folder, "");
  await expect(reads(model)).rejects.toThrow(`${folder}: it cannot be read, ENOTDIR`);
});

const cache = { encoder: "abc", shape: [2, 3], dtype: "f32" } as const;
const pairs = {
  latents: [1],
  sampling: { count: 1, batch: 1 },
  key: [0, 0],
  bank: { draw: () => Int32Array.of(0) },
  signal: new AbortController().signal,
} as unknown as PairsOptions;

test.each<[string, string, (model: string) => unknown]>([
  ["a file or folder", "any", (model) => isThere(join(model, "any"))],
  ["a file of pairs", "pairs-00000.safetensors", (folder) => makePairs({ ...pairs, folder })],
  ["a decoder's config", "config.json", (model) => readClipDecoder(model, { latentChannels: 4 })],
  [
    "a component of the teacher",
    "vae",
    (teacher) => {
      mkdirSync(join(teacher, "unet"));
      writeFileSync(join(teacher, "unet", "config.json"), "{}");
      return writeStudent(join(home, "student"), { teacher, component: "unet", weights: new Map(), steps: 1 });
    },
  ],
  ["a cache's folder", "cache", (model) => openEmbeddingCache(join(model, "cache"), { ...cache, mode: "read" })],
  ["what a cache is of", "cache.json", (folder) => openEmbeddingCache(folder, cache)],
])("%s that cannot be looked at is not absent", async (_, name, reads) => {
  const model = mkdtempSync(join(home, "model-"));
  // A link to itself can be looked at by nobody, not even by root, to whom no permission is denied.
  symlinkSync(name, join(model, name));
  await expect(async () => reads(model)).rejects.toThrow(`${join(model, name)}: it cannot be read, ELOOP`);
});
