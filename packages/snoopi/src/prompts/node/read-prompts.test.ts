import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { promptBatches } from "../prompt-batches.ts";
import { type BadPrompt, cursorAfter } from "../prompt-row.ts";
import { describeSkipped } from "../prompt-summary.ts";
import { promptFile, promptFiles, type ReadPromptsOptions, readPrompts } from "./read-prompts.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-prompts-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, ...parts: readonly (string | Uint8Array)[]): string {
  const path = join(root, name);
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(bytes) : bytes);
  return path;
}

async function read(path: string, options: ReadPromptsOptions = {}) {
  const bad: BadPrompt[] = [];
  const stream = readPrompts(path, { onBad: (one) => bad.push(one), ...options });
  const rows = [];
  for await (const row of stream) rows.push(row);
  return { rows, prompts: rows.map(({ prompt }) => prompt), bad: bad.map(({ line, reason }) => [line, reason]), summary: stream.summary };
}

const text = [
  "a red cat\r\n",
  "\n",
  "nul \0 byte\n",
  Uint8Array.of(0xff, 0xfe, 10),
  `${"x".repeat(200_000)}\n`,
  "eine Straße 🦔\n",
  "the last",
];
const json = ['{"prompt":"a"}\n', '{"prompt":"b"\n', '{"text":"c"}\n', '{"id":4}\n', "\n", '{"prompt":"\\ud800"}\n', '{"caption":"d"}'];

describe.each(["", ".gz"])("a file that is called …%s", (gz) => {
  test("with bad lines of text gives the others with their numbers, and says what it skipped", async () => {
    const path = file(`bad.txt${gz}`, ...text);
    const { rows, bad, summary } = await read(path);
    expect(rows.map(({ prompt, line }) => [line, prompt])).toEqual([
      [1, "a red cat"],
      [6, "eine Straße 🦔"],
      [7, "the last"],
    ]);
    expect(bad).toEqual([
      [2, "empty"],
      [3, "control"],
      [4, "notUtf8"],
      [5, "tooLong"],
    ]);
    expect(describeSkipped(summary)).toBe(
      `${path}: skipped 4 of 7 lines: 1 empty (2), 1 with NUL or other control characters (3), 1 not UTF-8 (4), 1 too long (5).`,
    );
  });

  test("with bad lines of JSON does as well", async () => {
    const { prompts, bad } = await read(file(`bad.jsonl${gz}`, ...json));
    expect(prompts).toEqual(["a", "c", "d"]);
    expect(bad).toEqual([
      [2, "notJson"],
      [4, "noField"],
      [5, "empty"],
      [6, "notUnicode"],
    ]);
  });

  test("is read on from behind each of its rows", async () => {
    for (const path of [file(`on.txt${gz}`, ...text), file(`on.ndjson${gz}`, ...json)]) {
      const { rows } = await read(path);
      for (const [i, row] of rows.entries()) expect((await read(path, { from: cursorAfter(row) })).rows).toEqual(rows.slice(i + 1));
    }
  });

  test("of many lines gives them all, over the edges of what is read at once", async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${"ü".repeat(i % 40)}`.trim());
    const { prompts } = await read(file(`many.txt${gz}`, lines.join("\n")));
    expect(prompts).toEqual(lines);
  });

  test("of which nothing can be used is refused with the reasons", async () => {
    const path = file(`none.jsonl${gz}`, "a cat\n", "a dog\n", '{"id":1}\n');
    await expect(read(path)).rejects.toThrow(
      `${path}: none of its 3 lines can be used: 2 not a JSON object (1, 2), 1 without a text in the field (3). Give UTF-8 text, or name the field.`,
    );
    await expect(read(file(`empty.txt${gz}`))).rejects.toThrow("there is no line in it. Give a file with prompts.");
  });
});

test("batches of a file go on from a position in it, past its bad lines", async () => {
  for (const path of [file("batches.txt", ...text, "\n", ...text), file("batches.jsonl.gz", ...json, "\n", ...json)]) {
    const options = { source: promptFile(path), batch: 2, seed: 5, blockLength: 4, epochs: 2 };
    const all = [];
    for await (const one of promptBatches(options)) all.push(one);
    expect(all.flatMap(({ prompts }) => prompts)).toHaveLength(12);
    for (const [i, { position }] of all.entries()) {
      const rest = [];
      for await (const one of promptBatches({ ...options, position })) rest.push(one);
      expect(rest).toEqual(all.slice(i + 1));
    }
  }
});

test("several files are read as one, and on from any position in them", async () => {
  const paths = [file("one.txt", ...text), file("two.jsonl", ...json), file("three.txt.gz", "x\n\ny")];
  const source = promptFiles(paths);
  const rows = [];
  const stream = source.read();
  for await (const row of stream) rows.push(row);
  expect(rows.map(({ prompt, file, line }) => [file, line, prompt])).toEqual([
    [0, 1, "a red cat"],
    [0, 6, "eine Straße 🦔"],
    [0, 7, "the last"],
    [1, 1, "a"],
    [1, 3, "c"],
    [1, 7, "d"],
    [2, 1, "x"],
    [2, 3, "y"],
  ]);
  const { lines, used } = stream.summary;
  expect([lines, used]).toEqual([17, 8]);
  expect(
    describeSkipped(stream.summary)
      ?.split("\n")
      .map((line) => line.split(": skipped")[0]),
  ).toEqual(paths);

  const options = { source, batch: 3, seed: 5, blockLength: 4, epochs: 2 };
  const all = [];
  for await (const one of promptBatches(options)) all.push(one);
  expect(all.flatMap(({ prompts }) => prompts)).toHaveLength(16);
  for (const [i, { position }] of all.entries()) {
    const rest = [];
    for await (const one of promptBatches({ ...options, position: JSON.parse(JSON.stringify(position)) })) rest.push(one);
    expect(rest).toEqual(all.slice(i + 1));
  }
  expect(() => promptFiles([])).toThrow("there are no files. Name one at least.");
});

test("only the first lines of each kind are named", async () => {
  const { summary } = await read(file("blank.txt", "\n".repeat(1200), "a cat\n"));
  expect(describeSkipped(summary)).toContain("skipped 1,200 of 1,201 lines: 1,200 empty (1, 2, 3, 4, 5, …).");
  expect(describeSkipped((await read(file("good.txt", "a cat"))).summary)).toBeUndefined();
});

describe("a file that cannot be read is refused", () => {
  const whole = gzipSync("a cat\n".repeat(100_000));
  test.each([
    ["that is not there", () => join(root, "no.txt"), "no.txt: there is no such file. Give a file of prompts."],
    ["that is a folder", () => root, "its name does not say how prompts lie in it. Name it .txt, .jsonl or .ndjson"],
    ["of a kind that is not known", () => file("prompts.csv", "a"), "prompts.csv: its name does not say how prompts lie in it"],
    [
      "of Parquet in gzip",
      () => file("prompts.parquet.gz", "a"),
      "prompts.parquet.gz: Parquet inside gzip is not read. Decompress it first.",
    ],
  ])("%s", async (_, path, message) => {
    await expect((async () => read(path()))()).rejects.toThrow(message);
  });

  test.each([
    ["cut off", whole.subarray(0, whole.length - 20)],
    ["broken", Buffer.concat([whole.subarray(0, 60), Buffer.alloc(40), whole.subarray(100)])],
    ["no gzip", Buffer.from("a cat\n")],
  ])("whose compressed data is %s", async (name, bytes) => {
    const path = join(root, `${name}.txt.gz`);
    writeFileSync(path, bytes);
    await expect(read(path)).rejects.toThrow("the compressed data is broken after ");
  });

  test("that is a folder with the name of a text", async () => {
    await expect(read(root, { format: "text" })).rejects.toThrow(`${root}: this is a folder. Give a file of prompts.`);
  });

  test("with a column of plain text", () => {
    expect(() => promptFile(file("a.txt", "a"), { column: "b" })).toThrow(
      'a.txt: the column is "b", and a text file has none. Leave it out.',
    );
    expect(() => promptFile(join(root, "no.txt"))).toThrow("there is no such file");
  });
});
