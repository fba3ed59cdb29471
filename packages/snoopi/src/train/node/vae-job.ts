import { join } from "node:path";
import { keyFromSeed, SnoopiError, scope } from "@snoopi/core";
import { autoencoderKL, toPixels, vaeConfig } from "@snoopi/models";
import type { TrainConfig } from "../config.ts";
import { picturesOf, scenesOf, stepKey } from "../examples.ts";
import { contactSheet } from "../sheet.ts";
import { uploaded } from "../stage.ts";
import { vaeStage } from "../vae.ts";
import { vaeJson } from "../vae-config.ts";
import { withNetwork } from "../weights.ts";
import { writeComponent } from "./component.ts";
import type { Job, JobOptions } from "./job.ts";

/** Pictures over which the spread of the latents is measured, and how many at a time. */
const measured = { pictures: 1024, at: 64 };
const shown = 8;

/** `snoopi train vae`: `vae/`, with the scaling factor 1 / standard deviation of the latents. */
export function vaeJob(config: TrainConfig<"vae">, { device, out }: JobOptions): Job {
  const network = vaeConfig(vaeJson(config));
  const key = keyFromSeed(config.seed);
  const stage = vaeStage({ device, network, batch: config.batch, loss: config.loss, key });
  const build = (p: Parameters<typeof autoencoderKL>[0]) => autoencoderKL(p, network);
  /** Pictures that no step has seen. */
  const unseen = (first: number, count: number) => picturesOf(scenesOf(stepKey(key, 2, 0), first, count), network.sampleSize);

  return {
    stage,
    settings: config,
    sheet: (weights) =>
      withNetwork(weights, device, {
        build,
        use: ({ encode, decode }) =>
          scope(async (s) => {
            const { x } = s.run(() => uploaded({ x: unseen(0, shown) }, device));
            const again = s.run(() => decode(encode(x).mean));
            return contactSheet([...(await toPixels(x)), ...(await toPixels(again))], shown);
          }),
      }),
    async finish(weights) {
      const spread = await withNetwork(weights, device, { build, use: ({ encode }) => latentSpread(encode, unseen, device) });
      if (!(spread > 0))
        throw new SnoopiError(`vae: the latents' standard deviation is ${spread}. Train for longer, or with a lower loss.kl.`);
      await writeComponent(join(out, "vae"), { config: vaeJson(config, 1 / spread), weights, library: "diffusers" });
      return `vae: scaling factor ${(1 / spread).toPrecision(4)}, in ${join(out, "vae")}`;
    },
    [Symbol.dispose]() {
      for (const t of Object.values(stage.parameters)) t.dispose();
    },
  };
}

async function latentSpread(
  encode: ReturnType<typeof autoencoderKL>["encode"],
  unseen: (first: number, count: number) => ReturnType<typeof picturesOf>,
  device: JobOptions["device"],
): Promise<number> {
  let [count, sum, squares] = [0, 0, 0];
  for (let first = 0; first < measured.pictures; first += measured.at) {
    const values = await scope(async (s) => {
      const mean = s.run(() => encode(uploaded({ x: unseen(first, measured.at) }, device).x).mean);
      return mean.data();
    });
    for (const v of values) {
      count++;
      sum += v;
      squares += v * v;
    }
  }
  return Math.sqrt(squares / count - (sum / count) ** 2);
}
