import { cpu } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { expect, test } from "vitest";
import { tiny } from "../../../../../test/cli/command.ts";
import { loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import type { CellKappa } from "../table/cell.ts";
import { painter } from "./painter.ts";

const model = tiny("sd15");

test.each([1, 2])("in %i steps a κ below 1 is drawn as such: 0 is what is drawn without the prompt", async (steps) => {
  using loaded = await loadModel(await openModel(nodeFolder(model)), { device: cpu });
  const { signal } = new AbortController();
  const paint = painter({ loaded: async () => loaded, vae: () => Promise.reject(new Error("of no use")), signal });
  const draw = async (kappa: CellKappa, prompt: string) => {
    const source = { by: "model", model, steps, sampler: "ddim", kappa } as const;
    const cell = { name: "κ", source, prompts: [prompt], pictures: 1, seed: 0, features: false };
    const { data } = await paint(cell, { prompts: [prompt], constraints: [{}], scenes: [] }, 0);
    return [...data];
  };
  const without = await draw(0, "a red cat");
  expect(without).toEqual(await draw(1, ""));
  expect(without).not.toEqual(await draw(1, "a red cat"));
});
