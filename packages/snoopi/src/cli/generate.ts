import { modelFolder } from "@snoopi/models/node";
import { inSteps } from "../eval/table/table.ts";
import { encodePng } from "../picture/png.ts";
import { generate, type Stage } from "../pipeline/generate.ts";
import { loadModel } from "../pipeline/load.ts";
import { openModel } from "../pipeline/open.ts";
import { type Plan, planOf } from "../pipeline/request.ts";
import type { GenerateOptions } from "./args.ts";
import { openDevice, slownessOf } from "./device.ts";
import { isStop, Stopped } from "./interrupt.ts";
import { openLoras, shownLora } from "./loras.ts";
import { metadataOf } from "./metadata.ts";
import { namedModel } from "./named-model.ts";
import { type Output, openOutput } from "./output.ts";
import { picturesOf } from "./pictures.ts";
import type { Phase } from "./progress.ts";
import { openTerminal } from "./terminal.ts";

/** Makes the pictures and prints their paths. All that can be checked is checked before weights are read. */
export async function generateCommand(
  options: GenerateOptions,
  { signal, software }: { signal: AbortSignal; software: string },
): Promise<void> {
  const { model: wanted, variant, out, device: on, loras: words = [], count = 1, ...asked } = options;
  const { path: from, name } = await namedModel(wanted);
  const model = await openModel(await modelFolder(from), variant === undefined ? {} : { variant });
  const jobs = picturesOf(out, { seed: asked.seed, count }).map(({ seed, path }) => {
    const request = { ...asked, seed };
    return { path, request, plan: planOf(model, request) };
  });
  const [first] = jobs;
  await using loras = await openLoras(words);
  const shown = words.map(shownLora);
  const outputs: Output[] = [];
  for (const { path } of jobs) outputs.push(await openOutput(path));

  const { progress, say } = openTerminal();
  const onWarning = (text: string) => say(`snoopi: warning: ${text}`);
  for (const key of model.ignored) onWarning(`${key} in the model's config is unknown and was ignored.`);

  using opened = await openDevice(on);
  const { device } = opened;
  say(opened.line);
  say(`model: ${[name, ...shown].join(" with ")}, ${inWords(first.plan)}${count > 1 ? `, ${count} pictures` : ""}`);
  const slowness = device.name === "cpu" ? await slownessOf(model, first.request) : undefined;
  if (slowness) onWarning(slowness);
  let written = 0;
  try {
    signal.throwIfAborted();
    const loading = follow((total) => progress.phase("load", total, { unit: "bytes" }));
    using loaded = await loadModel(model, { device, loras: loras.uses, onBytes: loading, onWarning, signal });
    for (const [i, { path, request, plan }] of jobs.entries()) {
      const stages: Record<Stage, ReturnType<typeof follow>> = {
        text: follow((total) => progress.phase("text", total)),
        steps: follow((total) => progress.phase("steps", total)),
        decode: follow((total) => progress.phase("decode", total, { unit: "share" })),
      };
      const picture = await generate(loaded, request, {
        onProgress: (stage, done, total) => stages[stage](done, total),
        // A warning about the first picture is true of all.
        ...(i === 0 && { onWarning }),
        signal,
      });
      const text = metadataOf(plan, { model: name, loras: shown, software });
      await outputs[i].write(await encodePng({ ...picture, text }));
      written++;
      process.stdout.write(`${path}\n`);
    }
  } catch (error) {
    if (written > 0 && isStop(error, signal)) throw new Stopped(`stopped. ${written} of ${count} pictures were written.`, { cause: error });
    throw error;
  } finally {
    progress.close();
  }
}

/** How a picture is drawn: `1 step`, `25 steps with guidance 7.5`, `2 steps with the negative kept away by nasa 0.5`. */
function inWords({ steps, steer, cfg, subtract }: Plan): string {
  const away = steer ?? subtract;
  const parts = [
    ...(cfg ? [`guidance ${cfg.scale}`] : []),
    ...(away ? [`the negative kept away by ${steer?.method ?? "subtract"} ${away.scale}`] : []),
  ];
  return `${inSteps(steps)}${parts.length > 0 ? ` with ${parts.join(" and ")}` : ""}`;
}

/** Turns reports of `done` and `total` into a phase that begins at the first report and ends with the last. */
function follow(begin: (total: number) => Phase): (done: number, total: number) => void {
  let phase: Phase | undefined;
  let before = 0;
  return (done, total) => {
    phase ??= begin(total);
    phase.advance(done - before);
    before = done;
    if (done >= total) phase.done();
  };
}
