import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HubFile, HubFolder } from "@snoopi/models";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchFile } from "./fetch-file.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const file: HubFile = { size: bytes.length, digest: { by: "sha256", hex: createHash("sha256").update(bytes).digest("hex") } };
const part = `.a.safetensors.${file.digest.hex.slice(0, 12)}.part`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snoopi-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A hub with one file, of which each connection brings at most `most` bytes. */
const remote = (most = bytes.length) => {
  const asked: number[] = [];
  const stream: HubFolder["stream"] = async (_, { start = 0 } = {}) => {
    asked.push(start);
    return new Blob([bytes.slice(start, start + most)]).stream();
  };
  return { asked, hub: { name: "owner/model", files: new Map([["a.safetensors", file]]), stream } as unknown as HubFolder };
};
const there = () => readFileSync(join(folder, "a.safetensors"));

test("answers that end too soon are gone on from as long as each brings something", async () => {
  const { asked, hub } = remote(150);
  await fetchFile(hub, "a.safetensors", folder);
  expect(there().equals(bytes)).toBe(true);
  expect(asked).toEqual([0, 150, 300, 450, 600, 750, 900]);
  expect(readdirSync(folder)).toEqual(["a.safetensors"]);
});

test("it stops while it reads what is there already", async () => {
  const signal = AbortSignal.abort();
  for (const name of ["a.safetensors", part]) {
    writeFileSync(join(folder, name), bytes);
    const { asked, hub } = remote();
    await expect(fetchFile(hub, "a.safetensors", folder, { signal })).rejects.toThrow(/abort/);
    expect(asked).toEqual([]);
    rmSync(join(folder, name));
  }
});

test.each(["a.safetensors", part])("a folder called %s is refused", async (name) => {
  mkdirSync(join(folder, name));
  const { asked, hub } = remote();
  await expect(fetchFile(hub, "a.safetensors", folder)).rejects.toThrow(`${join(folder, name)}: a folder is where a file is to be.`);
  expect(asked).toEqual([]);
});
