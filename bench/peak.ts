import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WebGpuDevice } from "@snoopi/kernels/node";
import type { Clock } from "./options.ts";

/** By wall-clock time, and by CPU time as if spread over all cores. */
export type Rates = Readonly<Record<Clock, number>>;

/** What results are compared with. */
export interface Peak {
  /** Multiply-adds in registers through WGSL, GFLOP/s (two operations each). */
  readonly adapterGflops: Rates;
  /** Copying 16 MB through WGSL, GB/s read and written together. */
  readonly adapterGbps: Rates;
  /** The CPU's own multiply-adds on all cores, GFLOP/s, where it plays the adapter; undefined without a C compiler. */
  readonly cpuGflops?: Rates;
  /** memcpy of 64 MB on one thread, GB/s read and written together. */
  readonly memcpyGbps: number;
}

const higher = (a: Rates, b: Rates): Rates => ({ wall: Math.max(a.wall, b.wall), cpu: Math.max(a.cpu, b.cpu) });

/** The better of two measurements, item by item. */
export const better = (a: Peak, b: Peak): Peak => ({
  adapterGflops: higher(a.adapterGflops, b.adapterGflops),
  adapterGbps: higher(a.adapterGbps, b.adapterGbps),
  memcpyGbps: Math.max(a.memcpyGbps, b.memcpyGbps),
  ...(a.cpuGflops && { cpuGflops: higher(a.cpuGflops, b.cpuGflops ?? a.cpuGflops) }),
});

export async function measurePeak(device: WebGpuDevice): Promise<Peak> {
  const cpuGflops = device.facts.software ? measureCpu() : undefined;
  // How many chains hide the latency without spilling differs by adapter.
  let adapterGflops: Rates = { wall: 0, cpu: 0 };
  for (const chains of [6, 10, 16, 32]) adapterGflops = higher(adapterGflops, await multiplyAdds(device, chains));
  return { adapterGflops, adapterGbps: await copies(device), memcpyGbps: memcpy(), ...(cpuGflops && { cpuGflops }) };
}

function multiplyAdds(device: WebGpuDevice, chains: number): Promise<Rates> {
  const [unrolled, steps] = [16, 256];
  const names = Array.from({ length: chains }, (_, i) => `a${i}`);
  const code = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = 0.999 + 1e-9 * f32(id.x & 1u);
  let c = 0.001 + 1e-9 * f32(id.x & 2u);
  ${names.map((a, i) => `var ${a} = f32(id.x + ${i}u);`).join("\n  ")}
  for (var s = 0u; s < ${steps}u; s++) {
    ${Array.from({ length: unrolled }, () => names.map((a) => `${a} = fma(${a}, m, c);`).join(" ")).join("\n    ")}
  }
  out[id.x] = ${names.join(" + ")};
}`;
  const flopsOf = (groups: number) => 2 * 64 * groups * chains * unrolled * steps;
  return rate(device, code, 1 << 24, (groups) => flopsOf(groups), 64, 65535);
}

function copies(device: WebGpuDevice): Promise<Rates> {
  const vectors = 1 << 20;
  const code = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u) { out[id.x + ${vectors}u] = out[id.x]; }`;
  return rate(device, code, 32 * vectors, () => 32 * vectors, vectors / 256, vectors / 256);
}

/** Units of work per nanosecond, at the best of several runs; groups grow until a run takes long enough to time. */
async function rate(
  { gpu }: WebGpuDevice,
  code: string,
  bytes: number,
  workOf: (groups: number) => number,
  first: number,
  most: number,
): Promise<Rates> {
  const pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module: gpu.createShaderModule({ code }) } });
  const buffer = gpu.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE });
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
  const run = async (groups: number) => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    const commands = encoder.finish();
    const [begin, before] = [performance.now(), process.cpuUsage()];
    gpu.queue.submit([commands]);
    await gpu.queue.onSubmittedWorkDone();
    const wall = performance.now() - begin;
    const { user, system } = process.cpuUsage(before);
    return { wall, cpu: (user + system) / 1000 / cpus().length };
  };
  let groups = first;
  await run(groups);
  while (groups < most && (await run(groups)).wall < 25) groups = Math.min(2 * groups, most);
  let best: Rates = { wall: 0, cpu: 0 };
  for (let i = 0; i < 8; i++) {
    const { wall, cpu } = await run(groups);
    best = higher(best, { wall: workOf(groups) / (1e6 * wall), cpu: workOf(groups) / (1e6 * cpu) });
  }
  buffer.destroy();
  return best;
}

function memcpy(): number {
  const megabytes64 = 1 << 26;
  const [from, to] = [new Uint8Array(megabytes64).fill(1), new Uint8Array(megabytes64)];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8; i++) {
    const begin = performance.now();
    to.set(from);
    least = Math.min(least, performance.now() - begin);
  }
  return (2 * megabytes64) / (1e6 * least);
}

function measureCpu(): Rates | undefined {
  if (process.arch !== "x64") return undefined;
  const folder = mkdtempSync(join(tmpdir(), "peak-"));
  try {
    const binary = join(folder, "peak");
    execFileSync("cc", ["-O3", "-mavx2", "-mfma", "-pthread", fileURLToPath(new URL("peak.c", import.meta.url)), "-o", binary], {
      stdio: "ignore",
    });
    const [wall, cpu] = execFileSync(binary, [String(cpus().length)], { encoding: "utf8" })
      .split(" ")
      .map(Number);
    return { wall, cpu };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
