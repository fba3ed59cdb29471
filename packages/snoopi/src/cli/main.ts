import { createRequire } from "node:module";
import { SnoopiError } from "@snoopi/core";
import { type Command, parseCommand } from "./args.ts";
import { convertCommand } from "./convert.ts";
import { distillCommand } from "./distill.ts";
import { downloadCommand } from "./download.ts";
import { evalCommand } from "./eval.ts";
import { generateCommand } from "./generate.ts";
import { inspectCommand } from "./inspect.ts";
import { type Interruption, interruption, isStop, Stopped, stoppedEarly } from "./interrupt.ts";
import { mergeCommand } from "./merge.ts";
import { printable } from "./text.ts";
import { trainCommand } from "./train.ts";

/** The version in package.json, as `snoopi --version` prints it. */
export const version: string = createRequire(import.meta.url)("../../package.json").version;

/** Runs one command line. It never throws: what went wrong is one line on stderr and the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that has enough (`snoopi inspect … | head`) closes the pipe: that is no error of ours.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const interrupt = interruption();
  let command: Command | undefined;
  try {
    command = parseCommand(argv);
    process.exitCode = await run(command, interrupt);
  } catch (error) {
    const stopped = isStop(error, interrupt.signal);
    const line = stopped && !(error instanceof Stopped) ? `snoopi: ${stoppedEarly(command?.kind)}` : report(error);
    process.stderr.write(`${line}\n`);
    process.exitCode = (stopped && interrupt.code) || 1;
  } finally {
    interrupt.release();
  }
}

async function run(command: Command, interrupt: Interruption): Promise<number> {
  const { signal } = interrupt;
  switch (command.kind) {
    case "generate":
      await generateCommand(command.options, { signal, software: `snoopi ${version}` });
      return 0;
    case "inspect":
      return inspectCommand(command.options);
    case "download":
      await downloadCommand(command.options, interrupt.signal);
      return 0;
    case "convert":
      await convertCommand(command.options, signal);
      return 0;
    case "train":
      // Stopping is no error there: what was trained is kept.
      return (await trainCommand(command.options, { signal })) ? 0 : (interrupt.code ?? 1);
    case "distill":
      return (await distillCommand(command.options, { signal })) ? 0 : (interrupt.code ?? 1);
    case "merge":
      await mergeCommand(command.options, interrupt.signal);
      return 0;
    case "eval":
      // Likewise: what was counted is kept.
      return (await evalCommand(command.options, { signal, software: `snoopi ${version}` })) ? 0 : (interrupt.code ?? 1);
    case "version":
      process.stdout.write(`snoopi ${version}\n`);
      return 0;
    case "help":
      process.stdout.write(`${command.text}\n`);
      return 0;
  }
}

/** The error in one line, which points to DEBUG if the fault may be ours. With DEBUG set, also the stack. */
function report(error: unknown): string {
  const known = error instanceof SnoopiError;
  const text = error instanceof Error ? error.message : String(error);
  const line = printable((text.startsWith("snoopi: ") ? text : `snoopi: ${text}`).replaceAll(/\s*\n\s*/g, " "));
  if (process.env.DEBUG) return `${line}\n${stackOf(error)}`;
  return known ? line : `${line} This was not expected; DEBUG=1 shows where it happened.`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause) || String(error.cause)}`;
}
