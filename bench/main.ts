import { mkdir, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { dirname } from "node:path";
import { webgpu } from "@snoopi/kernels/node";
import { pollGently } from "./browser-gpu.ts";
import { type Case, cases } from "./cases.ts";
import { type Child, start } from "./child.ts";
import { type LibraryInfo, libraries } from "./library.ts";
import { machine } from "./machine.ts";
import { measure, type Outcome } from "./measure.ts";
import type { Sample } from "./messages.ts";
import { type Clock, type Options, readOptions, usage } from "./options.ts";
import { better, measurePeak, type Peak } from "./peak.ts";
import { installPeers } from "./peers/install.ts";
import { lines, table } from "./report.ts";
import { measureTraining } from "./training/measure.ts";
import { type Network, networks } from "./training/networks.ts";
import { type TrainingResult, trainingFacts, trainingTable } from "./training/report.ts";
import { trainers } from "./training/trainer.ts";

const options = readOptions(process.argv.slice(2));
if (!options) {
  console.log(usage);
  process.exit(2);
}
process.exit(await bench(options));

async function bench(options: Options): Promise<number> {
  const chosen = cases.filter((c) => (c.quick || !options.quick) && c.name.includes(options.filter));
  const trained = networks.filter((n) => n.name.includes(options.filter));
  if (chosen.length + trained.length === 0) {
    const names = [...cases, ...networks].map((c) => c.name).join("; ");
    console.error(`bench: no case contains ${JSON.stringify(options.filter)}. There are: ${names}.`);
    return 2;
  }
  const known = [...new Set([...libraries, ...trainers].map((l) => l.name))];
  const unknown = options.only?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) {
    console.error(`bench: --only names ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
    return 2;
  }
  const device = await webgpu();
  if (device.facts.software) pollGently();
  const here = machine();
  console.log(`${device.description}\n${here.cpu}, ${here.cores} cores, node ${here.node}, ${here.platform}`);
  const before = chosen.length ? await measurePeak(device) : undefined;

  const without = missingPeers(options);
  const children = chosen.length ? await startAll(options, without) : [];
  const results: { case: Case; outcomes: Outcome[] }[] = [];
  try {
    for (const [i, c] of chosen.entries()) {
      console.error(`bench: ${i + 1}/${chosen.length} ${c.name}`);
      results.push({ case: c, outcomes: await measure(c, children, options.rounds) });
    }
  } finally {
    for (const child of children) child.stop();
  }

  const peak = before && better(before, await measurePeak(device));
  if (peak) print(children, results, peak, options.clock);
  const training = await train(trained, options, without);
  if (training.length) console.log(`\n${trainingTable(training, options.clock)}`);
  if (options.json) {
    await mkdir(dirname(options.json), { recursive: true });
    const all = [
      ...children.map((c) => [c.info.name, c.version]),
      ...training.flatMap((t) => t.outcomes.map((o) => [o.library, o.version])),
    ];
    const versions = Object.fromEntries(all);
    const facts = {
      adapter: device.description,
      machine: here,
      quick: options.quick,
      rounds: options.rounds,
      libraries: versions,
      ...(peak && { peak }),
      load: loadavg(),
      times: "ms by the clock and of CPU time on all threads",
    };
    // One line for each case and library, so that two files compare well.
    const lines = [...results.map(rounded), ...training.map(trainingFacts)].map(
      ({ outcomes, ...c }) =>
        `{ ${JSON.stringify(c).slice(1, -1)}, "outcomes": [\n    ${outcomes.map((o) => JSON.stringify(o)).join(",\n    ")}\n  ]}`,
    );
    await writeFile(
      options.json,
      `${JSON.stringify(facts, undefined, 2).slice(0, -2)},\n  "results": [\n  ${lines.join(",\n  ")}\n  ]\n}\n`,
    );
  }
  return 0;
}

function asked(all: readonly LibraryInfo[], { only }: Options): LibraryInfo[] {
  return all.filter((l) => !only || only.includes(l.name));
}

/** Why the other libraries are missing, if they are. */
function missingPeers(options: Options): string | undefined {
  return options.peers && asked([...libraries, ...trainers], options).some((l) => l.peer) ? installPeers() : "--no-peers was given";
}

async function train(chosen: readonly Network[], options: Options, without: string | undefined): Promise<TrainingResult[]> {
  const wanted = asked(trainers, options);
  for (const { name } of wanted.filter((l) => l.peer && without && chosen.length)) console.error(`bench: ${name} is left out: ${without}.`);
  const results: TrainingResult[] = [];
  for (const network of chosen) {
    console.error(`bench: ${network.name}`);
    const who = { libraries: wanted.filter((l) => !l.peer || !without), python: options.python, rounds: options.rounds };
    results.push({ network, outcomes: await measureTraining(network, who) });
  }
  return results;
}

async function startAll(options: Options, missing: string | undefined): Promise<Child[]> {
  const children: Child[] = [];
  for (const info of asked(libraries, options)) {
    if (info.peer && missing) {
      console.error(`bench: ${info.name} is left out: ${missing}.`);
      continue;
    }
    try {
      children.push(await start(info));
    } catch (error) {
      console.error(`bench: ${info.name} is left out: ${(error as Error).message}`);
    }
  }
  return children;
}

function print(children: readonly Child[], results: readonly { case: Case; outcomes: Outcome[] }[], peak: Peak, clock: Clock): void {
  const infos = children.map((c) => c.info);
  const by = clock === "wall" ? "time" : "CPU time, spread over all cores for those on the adapter";
  console.log(
    `\nRate at the fastest sample (at the median), by ${by}. On the CPU, one thread: ${
      infos
        .filter((l) => l.on === "cpu")
        .map((l) => l.name)
        .join(", ") || "none"
    }.\n`,
  );
  console.log(table(lines(results, infos, peak, clock)));
  const cpu = peak.cpuGflops ? `, ${peak.cpuGflops[clock].toFixed(0)} on the CPU's cores through C (256 bits)` : "";
  console.log(
    `\npeak: ${peak.adapterGflops[clock].toFixed(0)} GFLOP/s multiply-add through WGSL${cpu}; copying ${peak.adapterGbps[clock].toFixed(1)} GB/s through WGSL, ${peak.memcpyGbps.toFixed(1)} GB/s by memcpy on one thread`,
  );
  const refusals = results.flatMap((r) => r.outcomes.filter((o) => o.refused).map((o) => `  ${o.library}, ${r.case.name}: ${o.refused}`));
  if (refusals.length) console.log(`\nnot counted:\n${refusals.join("\n")}`);
}

/** Microseconds are enough. */
function rounded({ case: c, outcomes }: { case: Case; outcomes: Outcome[] }) {
  const round = (x: number) => Math.round(x * 1000) / 1000;
  const short = ({ wall, cpu }: Sample) => [round(wall), round(cpu)];
  return {
    case: c.name,
    ...(c.flops ? { flops: c.flops } : { bytes: c.bytes }),
    outcomes: outcomes.map(({ first, samples, ...rest }) => ({ ...rest, ...(first && { firstMs: short(first) }), ms: samples.map(short) })),
  };
}
