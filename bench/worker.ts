import { cases, inputsOf } from "./cases.ts";
import { errorOf } from "./expected.ts";
import { libraries, type Prepared } from "./library.ts";
import type { Answer, Ask, Sample } from "./messages.ts";

// One library in a process of its own: answers its parent's messages one at a time.

const info = libraries.find((l) => l.name === process.argv[2]);
if (!info || !process.send) throw new Error("bench/worker.ts is started by bench/main.ts");
const { open } = await import(info.module);
const library = await open();
let prepared: Prepared | undefined;

async function timed(times: number): Promise<Sample> {
  const [begin, before] = [performance.now(), process.cpuUsage()];
  await prepared!.run(times);
  const wall = performance.now() - begin;
  const { user, system } = process.cpuUsage(before);
  return { wall: wall / times, cpu: (user + system) / 1000 / times };
}

async function answer(ask: Ask): Promise<Answer> {
  if (ask.kind === "open") return { kind: "opened", version: library.version };
  if (ask.kind === "measure") {
    const samples: Sample[] = [];
    for (let i = 0; i < ask.samples; i++) samples.push(await timed(ask.times));
    return { kind: "measured", samples };
  }
  prepared?.free();
  prepared = undefined;
  const { problem } = cases.find((c) => c.name === ask.name)!;
  prepared = await library.prepare(problem, inputsOf(problem));
  if (!prepared) return { kind: "unsupported" };
  const first = await timed(1);
  const output = await prepared.output();
  const error = errorOf(problem, output);
  return { kind: "prepared", error, bytes: 4 * output.length, first, once: await timed(1) };
}

process.on("message", async (ask: Ask) => {
  const reply = await answer(ask).catch((error: Error) => ({ kind: "failed" as const, message: error.message.split("\n")[0] }));
  process.send!(reply);
});
// The parent is gone: nothing is left to do. An open Dawn would keep the process.
process.on("disconnect", () => process.exit(0));
process.send({ kind: "opened", version: library.version } satisfies Answer);
// Dawn's promises do not keep Node's event loop alive, and V8's helper threads wait for it to turn.
setInterval(() => {}, 1000);
