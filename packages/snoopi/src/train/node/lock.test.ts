import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { lockFolder } from "./lock.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-lock-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(root, "run-"));
const left = (folder: string, owner: object) => writeFileSync(join(folder, ".lock"), JSON.stringify(owner));
const host = hostname();

test("a folder is one run's until it ends", async () => {
  const folder = fresh();
  {
    await using _ = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(`${folder}: process ${process.pid} is at work in it.`);
    expect(readdirSync(folder)).toEqual([".lock"]);
  }
  expect(readdirSync(folder)).toEqual([]);
  await using _ = await lockFolder(folder);
});

test.each([
  // No process has so high a number.
  ["a process that is dead", { pid: 2 ** 30, host, began: "1" }],
  ["a number that is another process's by now", { pid: process.pid, host, began: "1" }],
])("what %s left is taken over", async (_, owner) => {
  const folder = fresh();
  left(folder, owner);
  await using _lock = await lockFolder(folder);
  expect(JSON.parse(readFileSync(join(folder, ".lock"), "utf8")).pid).toBe(process.pid);
  expect(readdirSync(folder)).toEqual([".lock"]);
});

test("what says nothing is taken over, and another machine's is not", async () => {
  const [empty, far] = [fresh(), fresh()];
  writeFileSync(join(empty, ".lock"), "");
  await using _ = await lockFolder(empty);
  left(far, { pid: 2 ** 30, host: "elsewhere", began: "1" });
  await expect(lockFolder(far)).rejects.toThrow(`process ${2 ** 30} of elsewhere is at work in it.`);
});

test("of many heirs at once one has it", async () => {
  const folder = fresh();
  left(folder, { pid: 2 ** 30, host, began: "1" });
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder)));
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(readdirSync(folder)).toEqual([".lock"]);
});
