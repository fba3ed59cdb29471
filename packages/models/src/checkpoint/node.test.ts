import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeFolder } from "./node-folder.ts";
import { fileSource } from "./node-source.ts";
import { writeSafetensors } from "./node-write.ts";
import { openComponentWeights } from "./pipeline.ts";
import { openSafetensors } from "./safetensors-read.ts";

let at = "";
beforeAll(async () => {
  at = await mkdtemp(join(tmpdir(), "snoopi-"));
});
afterAll(() => rm(at, { recursive: true }));

const one = [["w", { dtype: "f32", shape: [2], data: Float32Array.of(1, 2) }]] as const;

test("a file is written under its name only when it is complete, and read back in ranges", async () => {
  const path = join(at, "model.safetensors");
  await writeSafetensors(path, one, { metadata: { format: "pt" } });
  expect(await readdir(at)).toEqual(["model.safetensors"]);
  const file = await openSafetensors(await fileSource(path), path);
  expect(await file.read("w")).toEqual({ dtype: "f32", shape: [2], data: Float32Array.of(1, 2) });
  expect(file.metadata.get("format")).toBe("pt");
  await file.close();
});

test("a write that fails leaves nothing behind and says why in one line", async () => {
  await expect(writeSafetensors(join(at, "none/x.safetensors"), one)).rejects.toThrow(
    /none\/x\.safetensors: it cannot be written, there is no such file or folder\.$/,
  );
  await mkdir(join(at, "folder.safetensors", "inner"), { recursive: true });
  await expect(writeSafetensors(join(at, "folder.safetensors"), one)).rejects.toThrow("folder.safetensors: it cannot be written");
  expect((await readdir(at)).filter((name) => name.includes(".tmp"))).toEqual([]);
});

test("an existing file survives a failed write", async () => {
  const path = join(at, "kept.safetensors");
  await writeSafetensors(path, one);
  const before = await readFile(path);
  await expect(writeSafetensors(path, [...one, ...one])).rejects.toThrow('the name "w" is taken');
  expect(await readFile(path)).toEqual(before);
});

test("a file that is missing, or a folder, is one clear line", async () => {
  await expect(fileSource(join(at, "no.safetensors"))).rejects.toThrow(/no\.safetensors: there is no such file or folder\.$/);
  await expect(fileSource(at)).rejects.toThrow(/: this is not a file\.$/);
});

test("a folder lists its files, follows links as the hub's cache has them, and stays inside", async () => {
  const folder = join(at, "snapshot");
  await mkdir(join(folder, "unet"), { recursive: true });
  await symlink("../../model.safetensors", join(folder, "unet", "model.safetensors"));
  await symlink("../../gone", join(folder, "unet", "broken.safetensors"));
  await writeFile(join(folder, "unet", "config.json"), "{}");
  const opened = nodeFolder(`${folder}/`);
  expect(opened.name).toBe(folder);
  expect(await opened.list("unet")).toEqual(["config.json", "model.safetensors"]);
  expect(await opened.list("vae")).toEqual([]);
  expect(await opened.text("unet/config.json")).toBe("{}");
  const weights = await openComponentWeights(nodeFolder(join(folder, "unet")));
  expect((await weights.read("w", { dtype: "f16" })).data).toEqual(Uint16Array.of(0x3c00, 0x4000));
  await weights.close();
  expect(() => opened.text("../model.safetensors")).toThrow('"../model.safetensors" points outside of the folder');
  await expect(nodeFolder(join(at, "nowhere")).list()).rejects.toThrow(/nowhere: there is no such file or folder\.$/);
});
