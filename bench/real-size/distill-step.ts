import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { keyFromSeed } from "@snoopi/core";
import { type Facts, webgpuPlan } from "@snoopi/kernels";
import { webgpu } from "@snoopi/kernels/node";
import { assemble, checkDistillConfig, distillCost, distillSchema, distillStepper, readConfig } from "@snoopi/snoopi";
import { openDistillTeacher } from "@snoopi/snoopi/node";
import { machine } from "../machine.ts";

// One step of PG-SB from a folder written by write_pipeline.py: f16 base, student and LoRA teacher as adapters, block checkpoints. See
// bench/README.md.
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: "string", default: "512" }, steps: { type: "string", default: "1" }, json: { type: "string" } },
});
const [folder] = positionals;
if (!folder) {
  console.error("usage: real-size/distill-step.ts FOLDER [--size 512] [--steps 1] [--json FILE]");
  process.exit(2);
}

const beside = await mkdtemp(join(tmpdir(), "snoopi-step-"));
await writeFile(join(beside, "prompts.txt"), "a photo of a cat sitting on a red chair\n");
const own = JSON.parse(await readFile(new URL("../../packages/snoopi/configs/pg-sb-sd15-lora.json", import.meta.url), "utf8"));
// Without the CLIP loss: the pipeline has no CLIP. With two κ: the LoRA teacher starts equal to the teacher, so that with one κ the first
// gradient would be 0.
const config = readConfig(distillSchema, {
  ...{ ...own, prompts: "prompts.txt", size: Number(options.size), clip: { weight: 0 } },
  method: { ...own.method, draws: "independent" },
});
checkDistillConfig(config);

const seconds = () => ({ wall: performance.now() / 1000, cpu: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6 });
const since = (from: ReturnType<typeof seconds>) => ({ wall: seconds().wall - from.wall, cpu: seconds().cpu - from.cpu });
const shown = ({ wall, cpu }: ReturnType<typeof seconds>) => `${wall.toFixed(1)} s (CPU ${cpu.toFixed(1)} s)`;
const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

const device = await webgpu();
console.log(`${device.description}, ${machine().cpu}, ${machine().cores} cores`);
const { signal } = new AbortController();
const started = seconds();
using teacher = await openDistillTeacher({ device, folder, config, beside, out: beside, signal });
await teacher.kept?.fill({ signal });
const { model, bank, latents } = teacher;
const key = keyFromSeed(config.seed);
using assembled = assemble({ device, config, network: model.network.build, schedule: model.schedule, base: teacher.base, key });
using stepper = distillStepper({ name: "real size", device, config, assembled, bank, latents, key });
console.log(`load: ${shown(since(started))}, ${gib(device.memory().bytes)} on the device, latents ${latents.join("×")}`);

const cost = distillCost(config, { model }, webgpuPlan((device as typeof device & { readonly facts: Facts }).facts));
console.log(`foretold: ${(cost.flops / 1e12).toFixed(2)} TFLOP, ${gib(cost.peakBytes)} at the peak, ${cost.dispatches.captured} kernels`);

const steps: { readonly seconds: ReturnType<typeof seconds>; readonly figures: Readonly<Record<string, number>> }[] = [];
for (let step = 0; step < Number(options.steps); step++) {
  const begin = seconds();
  const figures = await stepper.step(step, { next: false });
  steps.push({ seconds: since(begin), figures });
  console.log(
    `step ${step + 1}: ${shown(steps[step].seconds)}, ${Object.entries(figures)
      .map(([k, v]) => `${k} ${v.toPrecision(4)}`)
      .join(", ")}`,
  );
}
const { peakBytes, peakDeviceBytes } = device.memory();
const peakResidentBytes = process.resourceUsage().maxRSS * 1024;
console.log(`peak: ${gib(peakBytes)} in tensors, ${gib(peakDeviceBytes)} with what is kept for reuse, ${gib(peakResidentBytes)} resident`);
if (options.json) {
  await mkdir(dirname(options.json), { recursive: true });
  const result = {
    what: `a step of PG-SB at Stable Diffusion 1.5's size, random f16 weights, batch 1, ${options.size}×${options.size}, adapters, block checkpoints`,
    adapter: device.description,
    machine: machine(),
    load: loadavg(),
    trained: cost.parameters,
    kernels: stepper.dispatches,
    flops: cost.flops,
    steps,
    bytes: { foretold: cost.peakBytes, peakTensors: peakBytes, peakDevice: peakDeviceBytes, peakResident: peakResidentBytes },
  };
  await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
await rm(beside, { recursive: true });
// Dawn's instance would keep the process alive.
process.exit(0);
