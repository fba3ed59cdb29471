import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { editJson } from "../../../../../test/cli/broken-model.ts";
import { tiny } from "../../../../../test/cli/command.ts";
import { secondName } from "./second-name.ts";
import { writeStudent } from "./student-folder.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-student-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test.each([
  ["copied", undefined, /^\S+text_encoder: it cannot be copied from \S+, .*\. Make room and go on with --resume\.$/],
  ["named", secondName, /^\S+text_encoder: it cannot be taken over from \S+, .*\. Make room and go on with --resume\.$/],
] as const)("a component that cannot be %s says so once", async (name, take, says) => {
  const out = join(home, name);
  mkdirSync(out);
  // A file where its folder goes.
  writeFileSync(join(out, "text_encoder"), "");
  const written = writeStudent(out, { teacher: tiny("sd15"), component: "unet", weights: new Map(), steps: 1, ...(take && { take }) });
  const { message } = await written.then(
    () => new Error("it was written"),
    (error: Error) => error,
  );
  expect(message).toMatch(says);
  expect(message.split("Make room")).toHaveLength(2);
});

test.each([
  ["that the teacher's folder lacks", []],
  ["of which one is taken over", ["feature_extractor"]],
])("an index names components that are in the folder and no others, as diffusers writes it: %s", async (name, there) => {
  const [teacher, out] = ["teacher", "student"].map((model) => join(home, `${model} ${name}`));
  cpSync(tiny("sd15"), teacher, { recursive: true });
  for (const component of ["safety_checker", ...there]) {
    mkdirSync(join(teacher, component));
    writeFileSync(join(teacher, component, "config.json"), "{}");
  }
  const named = {
    safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"],
    feature_extractor: ["transformers", "CLIPImageProcessor"],
    requires_safety_checker: true,
  };
  const index = join(teacher, "model_index.json");
  editJson(index, (json) => Object.assign(json, named));
  await writeStudent(out, { teacher, component: "unet", weights: new Map(), steps: 1 });
  const [before, after] = [index, join(out, "model_index.json")].map((path) => JSON.parse(readFileSync(path, "utf8")));
  expect(after).toEqual({
    ...before,
    scheduler: ["diffusers", "LCMScheduler"],
    safety_checker: [null, null],
    requires_safety_checker: false,
    ...(there.length === 0 && { feature_extractor: [null, null] }),
  });
  for (const component of ["text_encoder", "tokenizer", "unet", "vae"])
    expect(after[component]).toEqual([expect.any(String), expect.any(String)]);
});
