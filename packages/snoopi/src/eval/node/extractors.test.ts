import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, normal } from "@snoopi/core";
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

test.each([
  [8, "averaged over 4 × 4 places", 4 * 4 * 4],
  [6, "at all 6 × 6 places", 4 * 6 * 6],
])("features of a VAE with latents %i wide are said to be %s, and are", async (latentSide, about, width) => {
  const latents = () => normal([2, 4, latentSide, latentSide], { key: 1, device: cpu });
  const vae = { model: "none", origin: "", latentSide, latents } as Partial<Autoencoder> as Autoencoder;
  using found = await openExtractor("none", { device: cpu, vae });
  expect(found.about).toBe(`the VAE encoder of none (it has no clip/), its latents ${about}`);
  const { features } = await found.look({ shape: [2, 3, 64, 64], data: new Float32Array(2 * 3 * 64 ** 2) }, ["", ""]);
  expect(features.shape).toEqual([2, width]);
});
