import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { cpu } from "@snoopi/core";
import { cachedEmbeddings, encodeTexts, type LoadedModel, listSource, type PromptPosition, promptBatches } from "@snoopi/snoopi";
import { encoderIdentity, nodeFolder, openEmbeddingCache, promptFile, promptList } from "@snoopi/snoopi/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenFolder } from "../models/goldens.ts";
import { loadTinyModel } from "./tiny.ts";

// Prompts on their way from a file to what a UNet reads, with a real text encoder.

const root = mkdtempSync(join(tmpdir(), "snoopi-prompts-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const said = Array.from({ length: 11 }, (_, i) => `a picture of ${i} cats`);
const files = {
  text: ["prompts.txt", said.join("\n")],
  json: ["prompts.jsonl", said.map((prompt, id) => JSON.stringify({ id, prompt })).join("\n")],
  gzip: ["prompts.txt.gz", gzipSync(said.join("\n"))],
} as const;
for (const [name, bytes] of Object.values(files)) writeFileSync(join(root, name), bytes);

let loaded: LoadedModel;
beforeAll(async () => {
  loaded = await loadTinyModel("sd15-tiny", cpu);
});
afterAll(() => loaded[Symbol.dispose]());

describe.each(Object.entries(files))("prompts of a file of %s", (_, [name]) => {
  const options = { source: promptFile(join(root, name)), batch: 3, seed: 2, blockLength: 4, epochs: 2 };

  test("are batched as those of a list", async () => {
    const batches = [];
    for await (const { prompts } of promptBatches(options)) batches.push(prompts);
    const same = [];
    for await (const { prompts } of promptBatches({ ...options, source: listSource(said) })) same.push(prompts);
    expect(batches).toEqual(same);
    expect(batches.flat().sort()).toEqual([...said, ...said].sort());
  });

  test("are there by number", async () => {
    using list = await promptList(options.source);
    expect(said.map((_, i) => list.at(i))).toEqual(said);
  });
});

describe("embeddings of prompts", () => {
  const encode = (prompts: readonly string[]) => {
    return encodeTexts(loaded, prompts).tokens;
  };
  const open = async (dtype: "f16" | "f32", folder = mkdtempSync(join(root, "cache-"))) => {
    const { length, width } = loaded.model.text;
    const encoder = await encoderIdentity(nodeFolder(join(goldenFolder, "sd15-tiny")));
    return openEmbeddingCache(folder, { encoder, shape: [length, width], dtype });
  };

  test("in f32 are the encoder's to the last bit, and in f16 those rounded", async () => {
    using plain = await open("f32");
    using half = await open("f16");
    using exact = encode(said.slice(0, 4));
    const wanted = await exact.data();
    using a = await cachedEmbeddings(plain, { encode, device: cpu, batch: 4 })(said.slice(0, 4));
    expect(await a.data()).toEqual(wanted);
    using b = await cachedEmbeddings(half, { encode, device: cpu })(said.slice(0, 4));
    // Half a unit in the last place of f16 is at most 2⁻¹¹ of the value, or 2⁻²⁵ where it is subnormal.
    for (const [i, value] of (await b.data()).entries())
      expect(Math.abs(value - wanted[i])).toBeLessThanOrEqual(Math.max(2 ** -11 * Math.abs(wanted[i]), 2 ** -25));
  });

  test("of a run that stopped anywhere and went on from its position are those of one that did not", async () => {
    const options = { source: promptFile(join(root, "prompts.jsonl")), batch: 3, seed: 2, blockLength: 4 };
    const run = async (folder: string, steps: number, position?: PromptPosition) => {
      using cache = await open("f16", folder);
      const embed = cachedEmbeddings(cache, { encode, device: cpu });
      const seen: number[][] = [];
      let at = position;
      for await (const one of promptBatches({ ...options, ...(position && { position }) })) {
        using context = await embed(one.prompts);
        seen.push([...(await context.data())]);
        at = JSON.parse(JSON.stringify(one.position));
        if (seen.length === steps) break;
      }
      return { seen, at };
    };
    const whole = await run(mkdtempSync(join(root, "whole-")), 7);
    for (const stop of [1, 3, 4, 6]) {
      const folder = mkdtempSync(join(root, "parts-"));
      const first = await run(folder, stop);
      const rest = await run(folder, 7 - stop, first.at);
      expect([...first.seen, ...rest.seen]).toEqual(whole.seen);
    }
  });
});
