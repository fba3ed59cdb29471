import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { originOf } from "./origin.ts";
import { snapshotsOf } from "./snapshot.ts";
import { takeStart } from "./start.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-folder-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

test.each<[string, string, (model: string) => Promise<unknown>, string]>([
  [
    "a start's pairs",
    "training/pairs",
    (start) => takeStart({ start, out: join(home, "out"), resume: false }, { pairs: {}, free: [] }),
    "pairs",
  ],
  ["a student's snapshots", "snapshots", snapshotsOf, "snapshots"],
  ["a model's weights", "unet", (model) => originOf(model, ["unet"]), ".safetensors files"],
])("%s are missing where there is no folder; one that cannot be read says so", async (_, name, reads, what) => {
  const model = mkdtempSync(join(home, "model-"));
  const folder = join(model, name);
  await expect(reads(model)).rejects.toThrow(`${folder}: there are no ${what}`);
  mkdirSync(dirname(folder), { recursive: true });
  writeFileSync(folder, "");
  await expect(reads(model)).rejects.toThrow(`${folder}: it cannot be read, ENOTDIR`);
});
