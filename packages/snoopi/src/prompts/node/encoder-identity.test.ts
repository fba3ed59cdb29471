import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, expect, test } from "vitest";
import { tiny } from "../../../../../test/cli/command.ts";
import { encoderIdentity } from "./encoder-identity.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-identity-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("an encoder's identity follows its files, and nothing else of the pipeline", async () => {
  const copy = join(root, "copy");
  cpSync(tiny("sd15"), copy, { recursive: true });
  const own = await encoderIdentity(nodeFolder(tiny("sd15")));
  const here = () => encoderIdentity(nodeFolder(copy));
  expect(own).toMatch(/^[0-9a-f]{32}$/);
  rmSync(join(copy, "unet"), { recursive: true });
  expect(await here()).toBe(own);
  expect(await encoderIdentity(nodeFolder(copy), { also: "layer 11" })).not.toBe(own);

  const merges = join(copy, "tokenizer", "merges.txt");
  renameSync(merges, join(copy, "tokenizer", "merges2.txt"));
  expect(await here()).not.toBe(own);
  renameSync(join(copy, "tokenizer", "merges2.txt"), merges);
  expect(await here()).toBe(own);

  const weights = join(copy, "text_encoder", "model.safetensors");
  const bytes = readFileSync(weights);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(weights, bytes);
  expect(await here()).not.toBe(own);
});

test("a folder without an encoder has no identity", async () => {
  await expect(encoderIdentity(nodeFolder(root))).rejects.toThrow("there is no file in text_encoder");
});
