import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
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
