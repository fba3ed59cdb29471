import { expect, test } from "vitest";
import { promptsFrom } from "./prompts-from.ts";

const { read } = promptsFrom("world", "prompts");

test.each([
  ["world", "world"],
  ["a.txt", { files: ["a.txt"], column: null }],
  [{ file: "a.jsonl" }, { files: ["a.jsonl"], column: null }],
  [
    { file: ["a.parquet", "b.parquet"], column: "said" },
    { files: ["a.parquet", "b.parquet"], column: "said" },
  ],
])("%j says where prompts come from", (value, wanted) => {
  expect(read(value, "prompts")).toEqual(wanted);
});

test.each([
  [""],
  [7],
  [null],
  [{}],
  [{ file: "" }],
  [{ file: [] }],
  [{ file: ["a", 3] }],
  [{ file: "a", column: 3 }],
  [{ file: "a", colum: "b" }],
  [["a"]],
])("%j is refused", (value) => {
  expect(() => read(value, "prompts")).toThrow(`config: prompts is ${JSON.stringify(value)}. Give "world", the name of a file, or {`);
});
