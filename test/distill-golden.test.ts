import { type Device, keep, type Tensor, tensor } from "@snoopi/core";
import { adamw, ema } from "@snoopi/core/optim";
import { adapters, load, manifest, params, unet, unetConfig } from "@snoopi/models";
import {
  captureDistillation,
  type Distillation,
  type DistillMethod,
  type DistillStepResult,
  ddimDefaults,
  distillMethods,
  distillStep,
  noiseSchedule,
  processOf,
  type StepDraws,
  teachersOf,
  timesAt,
} from "@snoopi/snoopi";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { goldenJson, goldenTensors } from "./models/goldens.ts";

// Steps of distillation in PyTorch, see scripts/golden/distill.py.

interface Draw {
  readonly latents: number;
  readonly timesteps: readonly number[];
  readonly teacherKappa: readonly number[];
  readonly loraKappa: readonly number[];
  readonly nasaScale?: readonly number[];
  readonly lora: readonly { readonly timesteps: readonly number[]; readonly nullText: boolean }[];
  readonly after: DistillStepResult;
}

interface Case {
  readonly name: string;
  readonly timesteps: readonly number[];
  readonly loraSteps: number;
  readonly negative: boolean;
  readonly steps: readonly Draw[];
}

const golden = goldenJson("distill");
const [, ...cases]: readonly Case[] = golden.cases;
const stored = await goldenTensors("distill");
const config = unetConfig(golden.config);
const names = [...manifest((p) => unet(p, config)).keys()];
const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));

function setUp(run: Case, device: Device, gated: boolean) {
  const part = (name: string) => new Map(names.map((n) => [n, keep(stored(`start.${name}.${n}`, { device }))] as const));
  const [own, base] = [part("student"), part("teacher")];
  const lora = adapters();
  const network = unet(lora.wrap(params(load(base))), config);
  const { rank, alpha, lr, weightDecay } = golden.lora;
  lora.add("pi", { rank, alpha, match: [/to_[qv]$/], device });
  const adapter = lora.tensors("pi");
  for (const [name, t] of adapter) t.assign(stored(`start.lora.${name}`, { device }));
  const method: DistillMethod = { ...distillMethods.pgSb, loraSteps: run.loraSteps, maxNorm: golden.maxNorm };
  const average = ema(own, { decay: golden.student.decay, gated });
  const distillation: Distillation = {
    method,
    process,
    student: {
      network: unet(params(load(own)), config),
      prediction: "epsilon",
      timesteps: run.timesteps,
      parameters: own,
      optimizer: adamw(own, { lr: golden.student.lr, weightDecay: golden.student.weightDecay, gated }),
      ema: average,
    },
    teachers: { ...teachersOf(network, lora, "pi"), prediction: "epsilon" },
    loraTeacher: { parameters: adapter, optimizer: adamw(adapter, { lr, weightDecay, gated }) },
  };
  const averages = new Map([...own.keys()].map((name, i) => [name, average.tensors()[i]]));
  return { distillation, own, adapter, averages };
}

function drawsOf(run: Case, n: number, device: Device): StepDraws {
  const { latents, timesteps, teacherKappa, loraKappa, nasaScale, lora } = run.steps[n];
  const at = (name: string) => stored(`${run.name}.${n}.${name}`, { device });
  const kappa = (values: readonly number[]) => tensor([...values], { device }).reshape([values.length, 1, 1, 1]);
  return {
    student: {
      latents: Array.from({ length: latents }, (_, i) => at(`latents.${i}`)),
      times: timesAt(process, timesteps, device),
      noise: at("noise"),
      kappa: { teacher: kappa(teacherKappa), lora: kappa(loraKappa) },
      ...(nasaScale && { nasaScale: tensor([...nasaScale], { device }) }),
    },
    lora: lora.map(({ timesteps, nullText }, i) => ({
      times: timesAt(process, timesteps, device),
      noise: at(`lora.${i}.noise`),
      nullText,
    })),
  };
}

// What a step is promised to agree within, as ‖a − b‖ / ‖b‖.
const limit = 1e-4;

/** Relative errors of each parameter against the golden's, which lie end to end in the order of their names. */
async function errors(found: ReadonlyMap<string, Tensor>, expected: Tensor) {
  const all = await expected.data();
  let from = 0;
  const result = new Map<string, number>();
  for (const name of [...found.keys()].sort()) {
    const got = await found.get(name)!.data();
    const wanted = all.slice(from, from + got.length);
    from += got.length;
    result.set(name, Math.hypot(...got.map((v, i) => v - Number(wanted[i]))) / Math.hypot(...wanted.map(Number)));
  }
  expect(from).toBe(all.length);
  return result;
}

describe.each(devices)("on $name, steps of distillation", ({ device }) => {
  test.each(cases.flatMap((run) => [false, true].map((captured) => ({ ...run, captured }))))(
    "are PyTorch's: $name (captured: $captured)",
    async ({ captured, ...run }) => {
      const { distillation, own, adapter, averages } = setUp(run, device, captured);
      using program = captured ? captureDistillation(distillation) : undefined;
      const context = (name: string) => ({ tokens: stored(`start.text.${name}`, { device }) });
      const prompts = { text: context("text"), nullText: context("null"), ...(run.negative && { negative: context("negative") }) };
      for (let n = 0; n < run.steps.length; n++) {
        const given = { prompts, draws: drawsOf(run, n, device) };
        const { student, lora } = await (program ? program.step(given) : distillStep(distillation, given));
        const { after } = run.steps[n];
        const close = (a: number, b: number, what: string) => expect(Math.abs(a / b - 1), `step ${n}, ${what}`).toBeLessThan(limit);
        for (const what of ["loss", "norm"] as const) {
          close(student[what], after.student[what], `student's ${what}`);
          for (const [i, one] of lora.entries()) close(one[what], after.lora[i][what], `LoRA teacher's ${what}`);
        }
        expect(lora).toHaveLength(run.loraSteps);
      }
      if (program) expect(program.programs).toBe(run.timesteps.length);
      for (const [what, found] of Object.entries({ student: own, lora: adapter, average: averages })) {
        const all = await errors(found, stored(`${run.name}.${what}`));
        for (const [name, error] of all) expect(error, `${what} ${name}`).toBeLessThan(limit);
      }
    },
  );
});
