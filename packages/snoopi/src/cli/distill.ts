import { basename, dirname } from "node:path";
import { readJson } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { checkDistillConfig, type DistillConfig, describeMethod, distillSchema } from "../train/distill-config.ts";
import { distillRun } from "../train/node/distill-run.ts";
import { checkFolders } from "../train/node/student-folder.ts";
import { readConfig } from "../train/schema.ts";
import { withKeys } from "../train/set-keys.ts";
import { openDevice } from "./device.ts";
import { type DistillOptions, defaultTeacher } from "./distill-args.ts";
import { distillDryRun } from "./distill-dry-run.ts";
import { namedFolder, namedModel } from "./named-model.ts";
import type { Phase } from "./progress.ts";
import { openTerminal } from "./terminal.ts";

/** Distils a student and writes it, or stops early with a checkpoint. Returns whether it finished. */
export async function distillCommand(options: DistillOptions, { signal }: { signal: AbortSignal }): Promise<boolean> {
  const beside = dirname(options.config);
  const config: DistillConfig = readConfig(
    distillSchema,
    withKeys(await readJson(nodeFolder(beside), basename(options.config)), options.set),
  );
  checkDistillConfig(config);
  // A dry run reads only configs, which a single file has too.
  const pathOf = async (word: string) => (options.dryRun ? (await namedModel(word)).path : namedFolder(word, "distill"));
  // A dry run may be of a published model, of which there is no folder.
  const wanted = options.model ?? (config.preset === null ? defaultTeacher : undefined);
  const named = wanted === undefined ? {} : { model: await pathOf(wanted) };
  if (options.dryRun) return distillDryRun(config, { ...options, ...named });
  const { model, out, resume } = { ...options, ...named } as DistillOptions & { readonly model: string; readonly out: string };
  checkFolders(model, out);
  const { progress, say } = openTerminal();
  using opened = await openDevice(options.device);
  say(opened.line);
  say(describeMethod(config));
  let phase: Phase | undefined;
  try {
    const ended = await distillRun(config, {
      device: opened.device,
      model,
      out,
      beside,
      resume,
      ...(options.start !== undefined && { start: options.start }),
      signal,
      onNote: say,
      onPhase(name, taken, total) {
        phase?.done();
        phase = taken < total ? progress.phase(name, total, { from: taken }) : undefined;
      },
      onStep: (note, count) => phase?.advance(count, note),
    });
    if (!ended.finished) {
      const { phase: name, steps, total } = ended;
      say(
        `snoopi: stopped after ${steps} of ${total} ${name === "pairs" || name === "texts" ? name : `steps of ${name}`}. Go on with --resume.`,
      );
      return false;
    }
    phase?.done();
    process.stdout.write(`student: snoopi generate --model ${out}\n`);
    return true;
  } finally {
    progress.close();
  }
}
