import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { listSource } from "../list-source.ts";
import { promptList } from "./prompt-list.ts";

const folder = mkdtempSync(join(tmpdir(), "snoopi-list-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a list has the prompts of its source by number, whatever is in them, and leaves no file", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1, maxLength: 30 }), async (prompts) => {
      using list = await promptList(listSource(prompts), { folder });
      expect(list.length).toBe(prompts.length);
      expect(prompts.map((_, i) => list.at(prompts.length - 1 - i)).reverse()).toEqual(prompts);
      expect(list.summary.used).toBe(prompts.length);
    }),
    { numRuns: 30 },
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("a list grows over what is written at once", async () => {
  const prompts = Array.from({ length: 5000 }, (_, i) => `${i} ${"ü".repeat(i % 300)}`);
  using list = await promptList(listSource(prompts), { folder });
  expect(prompts.map((_, i) => list.at(i))).toEqual(prompts);
  expect(() => list.at(5000)).toThrow("prompt 5000 of 5000");
});

test("a list's digest tells other prompts, other orders and other borders", async () => {
  const digests = new Set<string>();
  for (const prompts of [["a", "bc"], ["ab", "c"], ["bc", "a"], ["a", "b", "c"], ["abc"], ["a", "bc"]]) {
    using list = await promptList(listSource(prompts), { folder });
    digests.add(list.digest);
  }
  expect(digests.size).toBe(5);
});

test("a list where nothing can be written is refused", async () => {
  await expect(promptList(listSource(["a"]), { folder: join(folder, "none") })).rejects.toThrow("it cannot be opened");
});
