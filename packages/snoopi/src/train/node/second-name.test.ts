import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { secondName } from "./second-name.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-names-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const from = join(home, "from");
mkdirSync(join(from, "inside"), { recursive: true });
writeFileSync(join(from, "a.json"), "a");
writeFileSync(join(from, "inside", "b.json"), "b");
symlinkSync(join(from, "a.json"), join(from, "link.json"));

test("a folder's files have a second name, links the name of what they lead to, and what is there stays", async () => {
  const to = join(home, "to");
  mkdirSync(join(to, "inside"), { recursive: true });
  writeFileSync(join(to, "inside", "b.json"), "older");
  await secondName(from, to);
  expect(statSync(join(to, "a.json")).ino).toBe(statSync(join(from, "a.json")).ino);
  expect([lstatSync(join(to, "link.json")).isFile(), readFileSync(join(to, "link.json"), "utf8")]).toEqual([true, "a"]);
  expect(readFileSync(join(to, "inside", "b.json"), "utf8")).toBe("older");
});

// Linux keeps it in memory: another file system than that of temporary files, where those are on a disk.
const memory = "/dev/shm";
test.skipIf(!existsSync(memory) || statSync(memory).dev === statSync(home).dev)("on another file system it is a copy", async () => {
  const to = mkdtempSync(join(memory, "snoopi-names-"));
  try {
    await secondName(from, to);
    expect([readdirSync(to).sort(), readFileSync(join(to, "inside", "b.json"), "utf8")]).toEqual([["a.json", "inside", "link.json"], "b"]);
  } finally {
    rmSync(to, { recursive: true, force: true });
  }
});

test("what is not there is named, with where it was wanted", async () => {
  await expect(secondName(join(home, "none"), join(home, "x"))).rejects.toThrow(
    `${join(home, "x")}: it cannot be taken over from ${join(home, "none")}, ENOENT`,
  );
});
