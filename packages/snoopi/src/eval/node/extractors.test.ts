import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@snoopi/core";
import { expect, test } from "vitest";
import type { Autoencoder } from "./autoencoder.ts";
import { openExtractor } from "./extractors.ts";

test("features are the VAE's where there is no clip/, and nobody's where it cannot be read", async () => {
  const model = mkdtempSync(join(tmpdir(), "snoopi-extractor-"));
  const vae = { model, origin: "of its own" } as Autoencoder;
  try {
    using found = await openExtractor(model, { device: cpu, vae });
    expect(found.origin).toBe("of its own");
    writeFileSync(join(model, "clip"), "");
    await expect(openExtractor(model, { device: cpu, vae })).rejects.toThrow(`${join(model, "clip")}: it cannot be read, ENOTDIR`);
  } finally {
    rmSync(model, { recursive: true });
  }
});
