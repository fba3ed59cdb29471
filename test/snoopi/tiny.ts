import { join } from "node:path";
import type { Device } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { loadModel, openModel } from "@snoopi/snoopi";
import { goldenFolder } from "../models/goldens.ts";

/** The committed checkpoints. Nothing was fitted to `third-tiny`: it stands for models nobody here has seen. */
export const checkpoints = ["sd15-tiny", "sd21-tiny", "third-tiny"];

export const openTiny = (checkpoint: string) => {
  // The one folder that holds only `fp16` variants.
  const variant = checkpoint === "sd21-tiny" ? { variant: "fp16" } : {};
  return openModel(nodeFolder(join(goldenFolder, checkpoint)), variant);
};

export const loadTinyModel = async (checkpoint: string, device: Device) => loadModel(await openTiny(checkpoint), { device });
