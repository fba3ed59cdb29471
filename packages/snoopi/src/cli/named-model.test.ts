import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { namedModel } from "./named-model.ts";

let path: string;
let shipped: { shipped: () => Promise<{ student: string; teacher: string }> };
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "snoopi-test-"));
  shipped = { shipped: async () => ({ student: join(path, "student"), teacher: join(path, "teacher") }) };
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const ship = (model: string) => {
  mkdirSync(join(path, model));
  writeFileSync(join(path, model, "model_index.json"), "{}");
};

test("a word that is no name is a folder, called as its last part is", async () => {
  for (const folder of ["m", "./tiny", "tiny/", "a/b/m", "a/b/m/"]) {
    expect(await namedModel(folder, { ...shipped, there: () => true })).toEqual({
      path: folder,
      name: folder.replace(/\/$/, "").split("/").at(-1),
    });
  }
});

test("a folder that is not there is refused, and what may be a name on the Hub is offered from there", async () => {
  await expect(namedModel("no/such/folder", shipped)).rejects.toThrow(/^no\/such\/folder: there is no such file or folder\.$/);
  await expect(namedModel("owner/name", shipped)).rejects.toThrow(
    "owner/name: there is no such file or folder. If it is a model of the Hugging Face Hub, bring it with snoopi download owner/name.",
  );
});

test("a name is what ships under it", async () => {
  ship("student");
  ship("teacher");
  expect(await namedModel("tiny", shipped)).toEqual({ path: join(path, "student"), name: "@snoopi/tiny/student" });
  expect(await namedModel("tiny-teacher", shipped)).toEqual({ path: join(path, "teacher"), name: "@snoopi/tiny/teacher" });
});

test("what cannot be looked at does not count as what does not ship", async () => {
  const index = join(path, "student", "model_index.json");
  mkdirSync(join(path, "student"));
  symlinkSync("model_index.json", index);
  await expect(namedModel("tiny", shipped)).rejects.toThrow(`${index}: it cannot be read, ELOOP`);
});

test("what does not ship yet is refused, and what does is offered", async () => {
  const refused = (model: string) => `@snoopi/tiny holds no ${model} here, there is no ${join(path, model, "model_index.json")}. Give`;
  await expect(namedModel("tiny", shipped)).rejects.toThrow(`tiny: ${refused("student")} a diffusers folder with --model DIR.`);
  // Parts of a teacher are no model.
  mkdirSync(join(path, "teacher", "vae"), { recursive: true });
  await expect(namedModel("tiny-teacher", shipped)).rejects.toThrow(refused("teacher"));
  writeFileSync(join(path, "teacher", "model_index.json"), "{}");
  await expect(namedModel("tiny", shipped)).rejects.toThrow("with --model DIR, or --model tiny-teacher.");
});
