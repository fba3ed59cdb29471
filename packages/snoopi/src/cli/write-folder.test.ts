import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteSource, blobSource, type Folder, filesFolder, pipelineFiles, singleFileFolder } from "@snoopi/models";
import { modelFolder } from "@snoopi/models/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesOf, folderOf, tinyFile } from "../../../../test/models/single-files.ts";
import { openModel } from "../pipeline/open.ts";
import { writeFolder } from "./write-folder.ts";

let folder: string;
let out: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "snoopi-test-"));
  out = join(folder, "model");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = filesFolder(
  new Map([
    ["a.json", new Blob(["{}"])],
    ["deep/b.bin", new Blob([new Uint8Array(100)])],
    ["c.txt", new Blob(["not asked for"])],
  ]),
);
const paths = ["a.json", "deep/b.bin"];
const left = () => readdirSync(folder);

test("a checkpoint in a single file becomes a folder of the same bytes, that is a model", async () => {
  const { tensors, options } = await tinyFile("sd21-tiny");
  const single = await singleFileFolder(folderOf(blobSource(bytesOf(tensors))), "model.safetensors", options);
  const told: [number, number][] = [];
  const all = await pipelineFiles(single);
  await writeFolder(single, all, out, { onBytes: (done, total) => told.push([done, total]) });
  expect(left()).toEqual(["model"]);
  expect(readdirSync(out)).toEqual(["model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"]);
  for (const path of all) {
    const source = await single.open(path);
    expect(Buffer.compare(readFileSync(join(out, path)), await source.read(0, source.size)), path).toBe(0);
  }
  expect(told[0]![0]).toBe(0);
  expect(told.at(-1)![0]).toBe(told.at(-1)![1]);
  const { networks, name } = await openModel(await modelFolder(out));
  expect([networks.length, name]).toEqual([3, out]);
});

test("files come whole, with the folders that they are in", async () => {
  await writeFolder(files, paths, join(folder, "new", "model"));
  expect(readFileSync(join(folder, "new/model/a.json"), "utf8")).toBe("{}");
  expect(readFileSync(join(folder, "new/model/deep/b.bin"))).toEqual(Buffer.alloc(100));
  expect(readdirSync(join(folder, "new/model"))).toEqual(["a.json", "deep"]);
});

test("what is there is left alone, but for an empty folder", async () => {
  mkdirSync(out);
  await writeFolder(files, ["a.json"], out);
  await expect(writeFolder(files, paths, out)).rejects.toThrow(`${out}: it exists already.`);
  expect(readdirSync(out)).toEqual(["a.json"]);
  writeFileSync(join(folder, "file"), "");
  await expect(writeFolder(files, paths, join(folder, "file"))).rejects.toThrow("it exists already");
});

/** The files, with another source behind the second. */
const withSource = (source: ByteSource): Folder => ({
  ...files,
  open: async (path) => (path === "deep/b.bin" ? source : files.open(path)),
});

test("a failure leaves nothing, and the next run is not hindered by what a killed one left", async () => {
  const short = withSource({ size: 100, read: async (start) => new Uint8Array(start === 0 ? 50 : 0) });
  await expect(writeFolder(short, paths, out)).rejects.toThrow("files/deep/b.bin: it ends at byte 50 of 100. Download the file again.");
  expect(left()).toEqual([]);
  mkdirSync(join(folder, ".model.part"));
  writeFileSync(join(folder, ".model.part", "a.json"), "of before");
  await writeFolder(files, paths, out);
  expect(left()).toEqual(["model"]);
  expect(readFileSync(join(out, "a.json"), "utf8")).toBe("{}");
});

test("it stops between two parts of a file, and lets go of all", async () => {
  const controller = new AbortController();
  let closed = 0;
  const endless = withSource({
    size: 2 ** 30,
    read: async (start, end) => {
      controller.abort();
      return new Uint8Array(Math.min(end - start, 10));
    },
    close: async () => void closed++,
  });
  await expect(writeFolder(endless, paths, out, { signal: controller.signal })).rejects.toThrow(/abort/i);
  expect(left()).toEqual([]);
  expect(closed).toBe(1);
});

test("a disk without room is said before anything is written", async () => {
  const large = withSource({ size: 2 ** 60, read: async () => new Uint8Array(0) });
  await expect(writeFolder(large, paths, out)).rejects.toThrow(
    /^.*model: there is room for [\d.]+ .B, and 1152922 TB are to come\. Make room/,
  );
  expect(left()).toEqual([]);
});

test("a folder that another run writes is left to it", async () => {
  let second: Promise<void> | undefined;
  const slow = withSource({
    size: 10,
    read: async () => {
      second ??= expect(writeFolder(files, paths, out)).rejects.toThrow("is at work in it");
      await second;
      return new Uint8Array(10);
    },
  });
  await writeFolder(slow, paths, out);
  await second;
  expect(left()).toEqual(["model"]);
});
