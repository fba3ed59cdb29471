import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { data } from "@snoopi/core";
import { webgpu } from "@snoopi/kernels/node";
import { openSafetensors } from "@snoopi/models";
import { fileSource, nodeFolder } from "@snoopi/models/node";
import { decode, encodePng, loadModel, openModel, planOf, sample } from "@snoopi/snoopi";
import { machine } from "../machine.ts";
import { type KernelTime, profiler } from "../profile.ts";

// One picture in one step from a folder written by write_pipeline.py, compared with PyTorch's if measure_pytorch.py has run. See
// bench/README.md.
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "256" },
    runs: { type: "string", default: "2" },
    json: { type: "string" },
    out: { type: "string" },
    profile: { type: "boolean", default: false },
  },
});
const [folder] = positionals;
if (!folder) {
  console.error("usage: real-size/run.ts FOLDER [--size 256] [--runs 2] [--profile] [--json FILE] [--out picture.png]");
  process.exit(2);
}
const size = Number(options.size);

/** Wall-clock time, and CPU time of all threads: the latter is what to compare where other work shares the machine. */
interface Seconds {
  readonly wall: number;
  readonly cpu: number;
}

interface Reference {
  readonly torch: string;
  readonly threads: number;
  readonly size: number;
  readonly seed: number;
  readonly prompt: string;
  readonly seconds: Readonly<Record<string, Seconds>>;
  readonly peakResidentBytes: number;
}

const referenceFile = join(folder, "reference/reference.json");
const reference = existsSync(referenceFile) ? (JSON.parse(await readFile(referenceFile, "utf8")) as Reference) : undefined;
const comparable = reference?.size === size;
const prompt = reference?.prompt ?? "a photo of a cat sitting on a red chair";

/** Now, to be subtracted from later. */
function now(): Seconds {
  const { user, system } = process.cpuUsage();
  return { wall: performance.now() / 1000, cpu: (user + system) / 1e6 };
}
const between = (from: Seconds, to: Seconds): Seconds => ({ wall: to.wall - from.wall, cpu: to.cpu - from.cpu });
const parts = ["text", "unet", "decode"] as const;

const profile = options.profile ? await profiler() : undefined;
const device = profile?.device ?? (await webgpu());
console.log(`${device.description}, ${machine().cpu}, ${machine().cores} cores`);

const started = now();
const model = await openModel(nodeFolder(folder));
const loaded = await loadModel(model, { device });
const load = between(started, now());
const weightBytes = device.memory().bytes;
console.log(`load: ${load.wall.toFixed(1)} s, ${gib(weightBytes)} on the device`);

const plan = planOf(model, { prompt, steps: 1, seed: reference?.seed ?? 0, width: size, height: size });
const runs: Record<(typeof parts)[number], Seconds>[] = [];
const hot: Record<string, KernelTime[]> = {};
let latents: ArrayLike<number> = [];
let picture: Awaited<ReturnType<typeof decode>> | undefined;
for (let run = 0; run < Number(options.runs); run++) {
  const begin = now();
  let afterText = begin;
  const x = await sample(loaded, plan, {
    onProgress(stage) {
      if (stage === "text") afterText = now();
    },
  });
  const afterUnet = now();
  if (profile) hot["text and unet"] = await profile.take();
  const beforeDecode = now();
  latents = await data(x);
  picture = await decode(loaded, x);
  const afterDecode = now();
  if (profile) hot.decode = await profile.take();
  x.dispose();
  runs.push({ text: between(begin, afterText), unet: between(afterText, afterUnet), decode: between(beforeDecode, afterDecode) });
  console.log(`run ${run + 1}: ${parts.map((part) => `${part} ${show(runs[run][part])}`).join(", ")}`);
}

const { peakBytes, pooledBytes } = device.memory();
const peakResidentBytes = process.resourceUsage().maxRSS * 1024;
console.log(
  `peak: ${gib(peakBytes)} in tensors on the device (${gib(pooledBytes)} kept for reuse at the end), ${gib(peakResidentBytes)} resident`,
);

const accuracy = comparable ? await compare() : undefined;
if (accuracy) {
  console.log(`latents: relative error ${accuracy.latents.toExponential(2)} against PyTorch f32 with the same weights`);
  console.log(`picture: ${(100 * accuracy.pixelsWithinOne).toFixed(2)} % of values within 1/255, largest difference ${accuracy.largest}`);
}
if (reference) {
  console.log(`PyTorch ${reference.torch}, f32, ${reference.threads} threads, ${reference.size}×${reference.size}:`);
  for (const part of parts) {
    const best = { wall: Math.min(...runs.map((r) => r[part].wall)), cpu: Math.min(...runs.map((r) => r[part].cpu)) };
    const theirs = reference.seconds[part];
    const ratio = `${(best.wall / theirs.wall).toFixed(1)} times as long, ${(best.cpu / theirs.cpu).toFixed(1)} times the CPU time`;
    console.log(`  ${part.padEnd(6)} ${show(best)}, PyTorch ${show(theirs)}: ${ratio}`);
  }
}
for (const [part, kernels] of Object.entries(hot)) {
  const total = kernels.reduce((sum, k) => sum + k.seconds, 0);
  console.log(`hot in ${part} (${total.toFixed(2)} s on the adapter):`);
  for (const k of kernels.slice(0, 12))
    console.log(`  ${((100 * k.seconds) / total).toFixed(1).padStart(5)} %  ${k.seconds.toFixed(3)} s  ${k.launches} × ${k.kernel}`);
}

if (options.out && picture) await writeFile(options.out, await encodePng(picture));
if (options.json) {
  await mkdir(dirname(options.json), { recursive: true });
  const result = {
    what: `Stable Diffusion 1.5's size, random f16 weights, one step, ${size}×${size}`,
    adapter: device.description,
    machine: machine(),
    load: loadavg(),
    profiled: Boolean(profile),
    seconds: { load, runs },
    bytes: { weights: weightBytes, peakDevice: peakBytes, peakResident: peakResidentBytes },
    ...(accuracy && { accuracy }),
    ...(reference && { pytorch: reference }),
    ...(profile && { hot }),
  };
  await writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
}
// Dawn's instance would keep the process alive.
process.exit(0);

/** Our latents and picture against PyTorch's. */
async function compare() {
  const source = await fileSource(join(folder, "reference/reference.safetensors"));
  const file = await openSafetensors(source, "reference.safetensors");
  const theirs = (await file.read("latents")).data;
  const pixels = (await file.read("picture")).data;
  await file.close();
  let [difference, norm] = [0, 0];
  for (let i = 0; i < theirs.length; i++) {
    difference += (latents[i] - theirs[i]) ** 2;
    norm += theirs[i] ** 2;
  }
  let [within, largest] = [0, 0];
  for (let i = 0; i < pixels.length; i++) {
    const off = Math.abs(picture!.data[i] - pixels[i]);
    if (off <= 1) within++;
    largest = Math.max(largest, off);
  }
  return { latents: Math.sqrt(difference / norm), pixelsWithinOne: within / pixels.length, largest };
}

function show({ wall, cpu }: Seconds): string {
  return `${wall.toFixed(2)} s (CPU ${cpu.toFixed(2)} s)`;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
