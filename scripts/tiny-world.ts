import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Size, stepsOf } from "./tiny-world/steps.ts";

// The tiny world's models and tables, from scratch: `npm run tiny-world -- --out DIR [--size miniature]`. Each step is a snoopi command
// that anyone may type. Steps that have ended are recorded in DIR/steps.json, so that the same command goes on where it was stopped.

interface Ended {
  readonly command: string;
  /** Summed over all runs of the step. */
  readonly seconds: number;
  readonly done: boolean;
}

const usage = "usage: npm run tiny-world -- --out DIR [--size full|miniature] [--device webgpu|cpu|auto]";
const { out, size, device } = options();
const record = join(out, "steps.json");
mkdirSync(out, { recursive: true });
// Ctrl-C also reaches the step's process, which ends with a checkpoint and an exit code.
process.on("SIGINT", () => {});

for (const { name, args } of stepsOf(size, out)) {
  const ended = read();
  const words = [...args, "--device", device];
  const command = `snoopi ${words.join(" ")}`;
  const before = ended[name];
  if (before?.done && before.command === command) {
    process.stderr.write(`${name}: done before, in ${before.seconds} s\n`);
    continue;
  }
  process.stderr.write(`\n$ ${command}\n`);
  const start = performance.now();
  const code = await run(words);
  const seconds = Math.round((before?.command === command ? before.seconds : 0) + (performance.now() - start) / 1000);
  write({ ...read(), [name]: { command, seconds, done: code === 0 } });
  if (code !== 0) {
    process.stderr.write(`tiny-world: ${name} ended with exit code ${code}. The same line goes on from there.\n`);
    process.exit(code);
  }
}
const total = Object.values(read()).reduce((sum, { seconds }) => sum + seconds, 0);
process.stderr.write(`tiny-world: all done, ${(total / 3600).toFixed(2)} h in all. See ${join(out, "results")}.\n`);

function options(): { out: string; size: Size; device: string } {
  try {
    const { values } = parseArgs({ options: { out: { type: "string" }, size: { type: "string" }, device: { type: "string" } } });
    const { out, size = "full", device = "auto" } = values;
    if (out === undefined) throw new Error("--out DIR is missing");
    if (size !== "full" && size !== "miniature") throw new Error(`--size is ${JSON.stringify(size)}, and full or miniature are the sizes`);
    return { out: resolve(out), size, device };
  } catch (error) {
    process.stderr.write(`tiny-world: ${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

function read(): Record<string, Ended> {
  try {
    return JSON.parse(readFileSync(record, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

function write(ended: Readonly<Record<string, Ended>>): void {
  writeFileSync(`${record}.tmp`, `${JSON.stringify(ended, null, 2)}\n`);
  renameSync(`${record}.tmp`, record);
}

function run(args: readonly string[]): Promise<number> {
  const command = resolve(import.meta.dirname, "../packages/snoopi/bin/snoopi.mjs");
  const child = spawn(process.execPath, [command, ...args], { stdio: "inherit" });
  return new Promise((ended, failed) => child.on("error", failed).on("close", (code) => ended(code ?? 1)));
}
