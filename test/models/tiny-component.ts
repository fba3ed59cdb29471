import { join } from "node:path";
import type { Device } from "@snoopi/core";
import type { JsonObject } from "../../packages/models/src/checkpoint/folder.ts";
import type { NetworkKind } from "../../packages/models/src/checkpoint/names.ts";
import { nodeFolder } from "../../packages/models/src/checkpoint/node-folder.ts";
import { openPipelineFolder } from "../../packages/models/src/checkpoint/pipeline.ts";
import { loadTensors } from "../../packages/models/src/load-model.ts";
import { manifest, type Params } from "../../packages/models/src/params.ts";
import { goldenFolder } from "./goldens.ts";

/** What it takes to load a network from a checkpoint. */
export interface Network<Config> {
  readonly component: string;
  readonly kind: NetworkKind;
  readonly parse: (json: JsonObject) => Config;
  readonly build: (p: Params, config: Config) => unknown;
}

/** The config and the parameters of one network of a tiny checkpoint. */
export async function loadTiny<Config>(
  checkpoint: string,
  { component, kind, parse, build }: Network<Config>,
  { device, dtype }: { readonly device: Device; readonly dtype: "f32" | "f16" },
) {
  const pipeline = await openPipelineFolder(nodeFolder(join(goldenFolder, checkpoint)));
  const config = parse(await pipeline.config(component));
  const weights = await pipeline.weights(component);
  const loaded = await loadTensors(kind, weights, { manifest: manifest((p) => build(p, config)), device, dtype });
  await weights.close();
  return { config, entries: weights.entries, ...loaded };
}
