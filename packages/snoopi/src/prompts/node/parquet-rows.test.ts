import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as zlib from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { promptBatches } from "../prompt-batches.ts";
import { type BadPrompt, cursorAfter } from "../prompt-row.ts";
import { describeSkipped } from "../prompt-summary.ts";
import { promptFile, type ReadPromptsOptions, readPrompts } from "./read-prompts.ts";

const golden = (name: string) => resolve(import.meta.dirname, "../../../../../test/golden/prompts", name);
const groups = golden("groups.parquet");
const root = mkdtempSync(join(tmpdir(), "snoopi-parquet-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function read(path: string, options: ReadPromptsOptions = {}) {
  const bad: BadPrompt[] = [];
  const stream = readPrompts(path, { onBad: (one) => bad.push(one), ...options });
  const rows = [];
  for await (const row of stream) rows.push(row);
  return { rows, prompts: rows.map(({ prompt }) => prompt), bad: bad.map(({ line, reason }) => [line, reason]), summary: stream.summary };
}

async function listed<T>(from: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
}

describe("a Parquet file that pyarrow wrote", () => {
  test("gives the rows of its column that are prompts, over its row groups", async () => {
    const said: (string | null)[] = JSON.parse(readFileSync(golden("groups.json"), "utf8")).prompt;
    const good = said.flatMap((one, i) => (one && one.length < 100 && !one.includes("\0") ? [[i + 1, one.trim()]] : []));
    const { rows, bad, summary } = await read(groups);
    expect(rows.map(({ line, prompt }) => [line, prompt])).toEqual(good);
    expect(bad).toEqual([
      [2, "noField"],
      [4, "empty"],
      [6, "control"],
      [9, "tooLong"],
    ]);
    expect(describeSkipped(summary)).toMatch(/skipped 4 of 10 rows: 1 without a text in the field \(2\)/);
  });

  test("gives another column where one is named", async () => {
    const { prompts } = await read(groups, { column: "caption" });
    expect(prompts).toEqual(Array.from({ length: 10 }, (_, i) => `caption ${i}`));
  });

  test("with an index of its pages is read in parts, and on from any row", async () => {
    const path = golden("pages.parquet");
    const { rows, prompts } = await read(path);
    expect(prompts).toEqual(Array.from({ length: 20_000 }, (_, i) => `prompt ${i}`));
    for (const line of [1, 7000, 16_384, 16_385, 19_999, 20_000]) {
      expect((await read(path, { from: cursorAfter(rows[line - 1]) })).rows).toEqual(rows.slice(line));
    }
  });

  test("is read on from behind each of its rows, and in batches from each position", async () => {
    const { rows } = await read(groups);
    for (const [i, row] of rows.entries()) expect((await read(groups, { from: cursorAfter(row) })).rows).toEqual(rows.slice(i + 1));
    const options = { source: promptFile(groups), batch: 4, seed: 1, blockLength: 3, epochs: 2 };
    const all = await listed(promptBatches(options));
    expect(all.flatMap(({ prompts }) => prompts)).toHaveLength(12);
    for (const [i, { position }] of all.entries()) {
      expect(await listed(promptBatches({ ...options, position }))).toEqual(all.slice(i + 1));
    }
  });

  test("with bytes that are no UTF-8 skips those, and does not repair them", async () => {
    const { prompts, bad } = await read(golden("bytes.parquet"));
    expect(prompts).toEqual(["a cat", "a dog"]);
    expect(bad).toEqual([
      [2, "notUtf8"],
      [3, "notUtf8"],
    ]);
  });

  test("in Zstandard is read where Node can, and else refused with what to do", async () => {
    const reading = read(golden("zstd.parquet")).then(({ prompts }) => prompts);
    if ("zstdDecompressSync" in zlib) expect(await reading).toEqual(["a cat", "a dog"]);
    else
      await expect(reading).rejects.toThrow(
        /zstd.parquet: it is compressed with Zstandard, which Node reads from 22.15 on and this is .* Write it with snappy./,
      );
  });
});

describe("a Parquet file is refused", () => {
  test.each([
    ["without the column that is named", "title", 'there is no column "title". Name one of id, prompt, caption, tags.'],
    ["whose column is a number", "id", 'column "id" is INT64, and prompts are text. Name another.'],
    ["whose column is a list", "tags", 'column "tags" is LIST, and prompts are text. Name another.'],
  ])("%s", async (_, column, message) => {
    await expect(read(groups, { column })).rejects.toThrow(`${groups}: ${message}`);
  });

  const whole = readFileSync(groups);
  test.each([
    ["that is empty", Buffer.alloc(0)],
    ["that is text", Buffer.from("a red cat\n".repeat(20))],
    ["that is cut off", whole.subarray(0, whole.length - 100)],
    ["whose pages are broken", Buffer.concat([whole.subarray(0, 150), Buffer.alloc(600, 0xff), whole.subarray(750)])],
  ])("%s", async (name, bytes) => {
    const path = join(root, `${name}.parquet`);
    writeFileSync(path, bytes);
    await expect(read(path)).rejects.toThrow(`${path}: it cannot be read as Parquet, `);
  });

  test("that is not there", async () => {
    await expect(read(join(root, "no.parquet"))).rejects.toThrow("no.parquet: there is no such file or folder.");
  });
});
