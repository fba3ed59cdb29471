import {
  createDryDevice,
  type Device,
  empty,
  foldIn,
  keep,
  keyFromSeed,
  normal,
  realize,
  type Shape,
  scope,
  type Tensor,
} from "@snoopi/core";
import { webgpu } from "@snoopi/kernels/node";
import { init, params, sd15, sd21, unet, unetConfig } from "@snoopi/models";
import { ddimDefaults, denoiser, negativeGuidance, negativeMethods, noiseSchedule } from "@snoopi/snoopi";
import { pollGently } from "../browser-gpu.ts";
import { machine } from "../machine.ts";
import { median, minimum } from "../numbers.ts";
import { table } from "../report.ts";

// What a negative prompt inside cross-attention costs per step, and what keeping its keys and values saves. See bench/README.md.
const [which = "small", rounds = "10"] = process.argv.slice(2);

/** As wide as the smallest network that draws what its prompt asks, with attention in the same places as in SD. */
const small = unetConfig({
  _class_name: "UNet2DConditionModel",
  attention_head_dim: 4,
  block_out_channels: [64, 64],
  cross_attention_dim: 64,
  down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
  in_channels: 4,
  out_channels: 4,
  layers_per_block: 1,
  norm_num_groups: 8,
  sample_size: 8,
});
const published = { sd15: unetConfig(sd15.unet), sd21: unetConfig(sd21.unet) };
const schedule = noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" });

interface Setting {
  readonly device: Device;
  readonly config: typeof small;
  readonly side: number;
  readonly tokens: number;
  readonly draw: (path: string, shape: Shape) => Tensor;
}

/** One step without guidance, or with a method's, its negative projected anew or kept. */
function stepOf({ device, config, side, tokens, draw }: Setting) {
  const network = unet(params(init((path, shape) => keep(draw(path, shape)))), config);
  const text = (name: string) => ({ tokens: keep(draw(name, [1, tokens, config.crossAttentionDim])) });
  const [positive, negative, nothing] = ["positive", "negative", "nothing"].map(text);
  const x = keep(draw("x", [1, 4, side, side]));
  return (method?: string, cache = false) => {
    const guidance = method === undefined ? undefined : negativeGuidance(method, { negative, empty: nothing, cache });
    const denoise = denoiser(network, schedule, guidance ? { guidance } : {});
    const step = async () => {
      const x0 = keep(scope(() => denoise(x, 999, positive, 0)));
      await realize([x0]);
      if (device.name !== "dry") await x0.slice([null, null, [0, 1], [0, 1]]).data();
      x0.dispose();
    };
    return Object.assign(step, { end: () => guidance?.[Symbol.dispose]() });
  };
}

/** How many more FLOPs one step takes with each method, by shapes alone. */
async function operations(config: typeof small, side: number): Promise<string[][]> {
  const device = createDryDevice();
  const step = stepOf({ device, config, side, tokens: 77, draw: (_, shape) => empty(shape, { device }) });
  const count = async (run: ReturnType<typeof step>) => {
    // The first step fills the cache.
    await run();
    const before = device.flops;
    await run();
    run.end();
    return device.flops - before;
  };
  const plain = await count(step());
  const percent = (flops: number) => `${((100 * (flops - plain)) / plain).toFixed(2)} %`;
  const rows: string[][] = [];
  for (const { name } of negativeMethods) rows.push([name, percent(await count(step(name))), percent(await count(step(name, true)))]);
  return [["a step more than without", "projected anew", "kept"], ...rows];
}

/** Milliseconds of one step on this machine, the variants taking turns. */
async function times(config: typeof small, side: number, turns: number): Promise<string[][]> {
  const device = await webgpu();
  if (device.facts.software) pollGently();
  console.log(`${device.description}, ${machine().cpu}, ${machine().cores} cores`);
  let i = 0;
  const draw = (path: string, shape: Shape) => {
    const drawn = normal(shape, { key: foldIn(keyFromSeed(1), i++), device });
    if (shape.length === 1) return drawn.mul(0.1).add(path.endsWith("weight") ? 1 : 0);
    return drawn.mul(path.endsWith("weight") ? 1 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1)) : 1);
  };
  const step = stepOf({ device, config, side, tokens: 77, draw });
  const rows = ["", "nasa", "neutral"].flatMap((name) => (name ? [false, true] : [false]).map((cache) => ({ name, cache })));
  const runs = rows.map(({ name, cache }) => step(name || undefined, cache));
  const samples = rows.map((): { wall: number; cpu: number }[] => []);
  for (let turn = -2; turn < turns; turn++) {
    for (const [which, run] of runs.entries()) {
      const [begin, used] = [performance.now(), process.cpuUsage()];
      await run();
      const wall = performance.now() - begin;
      const { user, system } = process.cpuUsage(used);
      if (turn >= 0) samples[which].push({ wall, cpu: (user + system) / 1000 });
    }
  }
  const ms = (value: number) => value.toFixed(value < 100 ? 1 : 0);
  return [
    ["a step", "best ms", "median ms", "best CPU ms", "median CPU ms"],
    ...rows.map(({ name, cache }, at) => [
      name ? `${name}, ${cache ? "kept" : "projected anew"}` : "no negative",
      ...(["wall", "cpu"] as const).flatMap((clock) => [minimum, median].map((of) => ms(of(samples[at].map((sample) => sample[clock]))))),
    ]),
  ];
}

/** Config, and two sides of the latents: as the model was trained, and small enough to time on two cores. */
const networks = { small: [small, 8, 8], sd15: [published.sd15, 64, 32], sd21: [published.sd21, 96, 32] } as const;
if (which === "count") {
  for (const [name, [config, side]] of Object.entries(networks)) {
    console.log(`${name}, one image of ${side} × ${side} latents, 77 tokens each`);
    console.log(table(await operations(config, side)));
  }
} else if (which in networks) {
  const [config, , side] = networks[which as keyof typeof networks];
  console.log(table(await times(config, side, Number(rounds))));
} else {
  console.error("usage: guidance/negative-cache.ts count | small [ROUNDS] | sd15 [ROUNDS] | sd21 [ROUNDS]");
  process.exit(2);
}
process.exit(0);
