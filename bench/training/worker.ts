import { pollGently } from "../browser-gpu.ts";
import type { Answer, StepSample, TrainAsk } from "../messages.ts";
import { minimum } from "../numbers.ts";
import { watchCalls } from "./calls.ts";
import { networks } from "./networks.ts";
import { type Trainer, type Training, trainers } from "./trainer.ts";

// One library in a process of its own: answers its parent's messages one at a time.

const info = trainers.find((l) => l.name === process.argv[2]);
if (!info || !process.send) throw new Error("bench/training/worker.ts is started by bench/main.ts");
const calls = watchCalls();
const { open } = await import(info.module);
const trainer: Trainer = await open(info.name);
pollGently();
let training: Training | undefined;

async function timed(start: () => () => Promise<number>): Promise<StepSample & { loss: number }> {
  const [begin, before] = [performance.now(), process.cpuUsage()];
  const read = start();
  const call = performance.now() - begin;
  const reading = read();
  const asked = performance.now() - begin;
  const loss = await reading;
  const wall = performance.now() - begin;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1000, call, asked, loss };
}

/**
 * Milliseconds of a loop that makes the calls of a step's compute passes and nothing else, each time after a real step, so that caches are
 * as cold.
 */
async function bareCalls(step: () => Promise<unknown>, again: () => void): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    await step();
    const begin = performance.now();
    again();
    times.push(performance.now() - begin);
  }
  await step();
  return minimum(times);
}

async function answer(ask: TrainAsk): Promise<Answer> {
  if (ask.kind === "train") {
    training?.free();
    training = undefined;
    training = await trainer.prepare(networks.find((n) => n.name === ask.name)!);
    const steps: (StepSample & { loss: number })[] = [];
    for (let i = 0; i < ask.steps; i++) steps.push(await timed(training.step));
    const [bufferBytes, tensorBytes] = [calls.peakBytes(), training.tensorBytes?.()];
    // Twice, because a captured function is recorded again and compared at its second call.
    for (let i = 0; i < 2; i++) await training.forward()();
    return {
      kind: "trained",
      losses: steps.map((s) => s.loss),
      first: { wall: steps[0].wall, cpu: steps[0].cpu },
      bufferBytes,
      ...(tensorBytes !== undefined && { tensorBytes }),
    };
  }
  if (!training) return { kind: "failed", message: "nothing is prepared" };
  const { step, forward } = training;
  if (ask.kind === "time") {
    const samples: StepSample[] = [];
    for (let i = 0; i < ask.samples; i++) {
      const { loss: _, ...sample } = await timed(ask.what === "step" ? step : forward);
      samples.push(sample);
    }
    return { kind: "timed", samples };
  }
  const { dispatches, again } = await calls.during(() => step()());
  // Others make bindings anew at each step and destroy them: their calls cannot be repeated.
  const bare = info!.name === "snoopi" ? await bareCalls(() => step()(), again) : undefined;
  return { kind: "facts", dispatches, ...(bare !== undefined && { bare }) };
}

process.on("message", async (ask: TrainAsk) => {
  const reply = await answer(ask).catch((error: Error) => ({ kind: "failed" as const, message: error.message.split("\n")[0] }));
  process.send!(reply);
});
// The parent is gone: nothing is left to do. An open Dawn would keep the process.
process.on("disconnect", () => process.exit(0));
process.send({ kind: "opened", version: trainer.version } satisfies Answer);
// Dawn's promises do not keep Node's event loop alive, and V8's helper threads wait for it to turn.
setInterval(() => {}, 1000);
