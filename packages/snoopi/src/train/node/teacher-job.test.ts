import { cpSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCpu } from "@snoopi/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeMiniatureTeacher } from "../../../../../test/miniature-teacher.ts";
import { trainSchemas } from "../config.ts";
import { readConfig } from "../schema.ts";
import { teacherJob } from "./teacher-job.ts";

const home = mkdtempSync(join(tmpdir(), "snoopi-teacher-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const model = join(home, "teacher");
beforeAll(() => writeMiniatureTeacher(model));

test.each([
  ["the text encoder's weights are cut short", /text_encoder.*: /, {}],
  ["it is stopped before the pictures are encoded", /aborted/, { signal: AbortSignal.abort() }],
  ["it is to start from another network", /unet: it is of another config/, { start: model }],
])("a teacher that cannot begin, since %s, leaves nothing on the device", async (why, says, given) => {
  const out = join(home, why);
  for (const part of ["vae", "text_encoder", "tokenizer"]) cpSync(join(model, part), join(out, part), { recursive: true });
  if (why.endsWith("cut short")) truncateSync(join(out, "text_encoder", "model.safetensors"), 1000);
  const config = readConfig(trainSchemas.teacher, { pool: 4, network: { blockOutChannels: [16], attentionHeadDim: 2, normNumGroups: 4 } });
  const device = createCpu();
  const { signal } = new AbortController();
  await expect(teacherJob(config, { device, out, signal, ...given })).rejects.toThrow(says);
  expect(device.memory().tensors).toBe(0);
});
