import { cpu, foldIn, keep, keyFromSeed, leaves, normal, realize, type Shape, type Tensor, uniform } from "@snoopi/core";
import { adamw, ema } from "@snoopi/core/optim";
import { type Attend, adapters, load, manifest, params, type UNet, unet, unetConfig } from "@snoopi/models";
import { describe, expect, test } from "vitest";
import { nasa } from "../guidance/nasa.ts";
import { ddimDefaults } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { disposeDrawn, distillStep, drawsOf } from "./distill-step.ts";
import type { Distillation } from "./distillation.ts";
import { drawStep } from "./draws.ts";
import { fewStepTimesteps } from "./few-step.ts";
import { teachersOf } from "./lora-teacher.ts";
import { type DistillMethod, distillMethods } from "./method.ts";
import { flowProcess, processOf } from "./process.ts";
import { loraGradients, studentGradients } from "./step-gradients.ts";
import { stepKeys } from "./step-keys.ts";
import { update } from "./update.ts";

const config = unetConfig({
  _class_name: "UNet2DConditionModel",
  attention_head_dim: 2,
  block_out_channels: [4, 8],
  cross_attention_dim: 6,
  down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
  in_channels: 4,
  out_channels: 4,
  layers_per_block: 1,
  norm_num_groups: 2,
  sample_size: 4,
});
const shapes = manifest((p) => unet(p, config));
const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));

/** Norms' weights around one, the others by the size of their input. */
function weights(seed: number): Map<string, Tensor> {
  const draw = (name: string, shape: Shape, i: number) => {
    const drawn = uniform(shape, { key: foldIn(keyFromSeed(seed), i) }).sub(0.5);
    if (shape.length === 1) return drawn.mul(0.2).add(name.endsWith(".weight") ? 1 : 0);
    return drawn.mul(2 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1)));
  };
  return new Map([...shapes].map(([name, shape], i) => [name, keep(draw(name, shape, i))]));
}

const prompts = { text: { tokens: normal([2, 3, 6], { key: 21 }) }, nullText: { tokens: normal([1, 3, 6], { key: 22 }) } };
await realize(leaves(prompts));
const options = { prompts, shape: [2, 4, 4, 4], key: keyFromSeed(5) };
const drawn = (method: DistillMethod) => drawStep({ process, method, shape: options.shape, device: cpu }, { keys: stepKeys(options.key) });
const finite = async (tree: unknown) => (await Promise.all(leaves(tree).map((t) => t.data()))).every((v) => v.every(Number.isFinite));
const norms = async (tree: ReadonlyMap<string, Tensor>) =>
  new Map(await Promise.all([...tree].map(async ([name, t]) => [name, Math.hypot(...(await t.data()))] as const)));
const copy = async (tree: ReadonlyMap<string, Tensor>) =>
  new Map(await Promise.all([...tree].map(async ([name, t]) => [name, [...(await t.data())]] as const)));

function setUp(method: DistillMethod, { learned = true } = {}) {
  const [base, own] = [weights(1), weights(2)];
  const lora = adapters();
  const network = unet(lora.wrap(params(load(base))), config);
  lora.add("pi", { rank: 2, alpha: 4, match: [/to_[qv]$/], key: 3, device: cpu });
  const adapter = lora.tensors("pi");
  // An adapter begins as nothing, and the student's gradient with it.
  if (learned) for (const [name, t] of adapter) if (name.endsWith("lora_B.weight")) t.assign(normal(t.shape, { key: 4 }));
  const distillation: Distillation = {
    method,
    process,
    student: {
      network: unet(params(load(own)), config),
      prediction: "epsilon",
      parameters: own,
      optimizer: adamw(own, { lr: 1e-3, weightDecay: 0 }),
      ema: ema(own),
    },
    teachers: { ...teachersOf(network, lora, "pi"), prediction: "epsilon" },
    loraTeacher: { parameters: adapter, optimizer: adamw(adapter, { lr: 1e-3, weightDecay: 0 }) },
  };
  return { distillation, base, own, adapter };
}

describe("a step of distillation", () => {
  test("moves every parameter of the student and of the LoRA teacher, none of the teacher's, and keeps all finite", async () => {
    const { distillation, base, own, adapter } = setUp(distillMethods.pgSb);
    const before = await Promise.all([base, own, adapter].map(copy));
    const results = [];
    for (let i = 0; i < 2; i++) results.push(await distillStep(distillation, { ...options, key: foldIn(options.key, i) }));
    const after = await Promise.all([base, own, adapter].map(copy));
    expect(after[0]).toEqual(before[0]);
    const still = (which: number) => [...after[which]].filter(([name, v]) => v.every((x, i) => x === before[which].get(name)![i]));
    expect([1, 2].flatMap(still).map(([name]) => name)).toEqual([]);
    expect(await finite([own, adapter, distillation.student.ema!.tensors()])).toBe(true);
    for (const { student, lora } of results) {
      expect(student.loss).toBeGreaterThan(0);
      expect(student.norm).toBeGreaterThan(0);
      expect(lora).toHaveLength(1);
      expect(lora[0].loss).toBeGreaterThan(0);
    }
  });

  test("leaves the student where it is as long as the LoRA teacher is the teacher and κ is shared", async () => {
    const { distillation, own } = setUp(distillMethods.pgSb, { learned: false });
    const before = await copy(own);
    const { student } = await distillStep({ ...distillation, method: { ...distillMethods.pgSb, loraSteps: 0 } }, options);
    expect([student.loss, student.norm]).toEqual([0, 0]);
    expect(await copy(own)).toEqual(before);
  });

  test("gives a gradient to every parameter of the student", async () => {
    const { distillation, own } = setUp(distillMethods.swiftBrush);
    const { gradients } = studentGradients(distillation, { prompts, draws: drawn(distillMethods.swiftBrush).student });
    const found = await norms(gradients as typeof own);
    expect([...found.keys()]).toEqual([...shapes.keys()]);
    expect([...found].filter(([, norm]) => !(norm > 0)).map(([name]) => name)).toEqual([]);
  });

  test("is the same step again with the same key, and another with another", async () => {
    const run = async (seed: number) => {
      const { distillation, own } = setUp(distillMethods.pgSb);
      const result = await distillStep(distillation, { ...options, key: keyFromSeed(seed) });
      return { result, own: await copy(own) };
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    expect(again).toEqual(first);
    expect(other.result).not.toEqual(first.result);
  });

  test("has κ in the student's gradient alone: the LoRA teacher learns the same by any", async () => {
    const [random, fixed] = await Promise.all(
      [distillMethods.pgSb, distillMethods.swiftBrush].map(async (method) => {
        const { distillation, own, adapter } = setUp(method);
        const { lora } = await distillStep(distillation, options);
        return { lora, adapter: await copy(adapter), own: await copy(own) };
      }),
    );
    expect([fixed.lora, fixed.adapter]).toEqual([random.lora, random.adapter]);
    expect(fixed.own).not.toEqual(random.own);
  });

  test("updates the LoRA teacher r times", async () => {
    const { distillation } = setUp(distillMethods.ttur);
    const { lora } = await distillStep(distillation, options);
    expect(lora).toHaveLength(5);
  });

  test("lowers the loss of the LoRA teacher on a batch it sees again and again", async () => {
    const { distillation } = setUp(distillMethods.pgSb);
    const again = () =>
      loraGradients(distillation, { x0: normal([2, 4, 4, 4], { key: 8 }), text: prompts.text, draws: drawn(distillMethods.pgSb).lora[0] });
    const losses: number[] = [];
    for (let i = 0; i < 20; i++)
      losses.push((await update(distillation.loraTeacher!, { ...again(), name: "LoRA teacher", maxNorm: 1, lr: 0.01 })).loss);
    expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]);
  });

  test("runs without a LoRA teacher for SDS, and refuses to for VSD", async () => {
    const { distillation } = setUp(distillMethods.sds);
    const { loraTeacher: _, ...alone } = distillation;
    const { student, lora } = await distillStep(alone, options);
    expect(student.loss).toBeGreaterThan(0);
    expect(lora).toEqual([]);
    await expect(distillStep({ ...alone, method: distillMethods.pgSb }, options)).rejects.toThrow("there is none. Pass loraTeacher.");
  });

  test.each(Object.entries(distillMethods))("is finite by the method %s", async (_, method) => {
    const { distillation, own } = setUp(method);
    const negative = { tokens: normal([1, 5, 6], { key: 23 }) };
    await distillStep(distillation, { ...options, prompts: { ...prompts, ...("nasa" in method && { negative }) } });
    expect(await finite(own)).toBe(true);
  });

  test.each([
    ["v_prediction", process],
    ["sample", process],
    ["flow", flowProcess({ shift: 3 })],
  ] as const)("moves a student that predicts %s, which may differ from its teachers", async (prediction, process) => {
    const { distillation, own } = setUp(distillMethods.pgSb);
    const before = await copy(own);
    const { student } = await distillStep({ ...distillation, process, student: { ...distillation.student, prediction } }, options);
    expect(student.norm).toBeGreaterThan(0);
    expect(await copy(own)).not.toEqual(before);
    expect(await finite(own)).toBe(true);
  });

  test.each([2, 4])("trains a student of %i steps at each of them", async (steps) => {
    const { distillation, own } = setUp(distillMethods.sds);
    const asked: unknown[] = [];
    const timesteps = fewStepTimesteps(process, steps);
    const network: UNet = (x, t, ...rest) => {
      asked.push(...(t as number[]));
      return distillation.student.network(x, t, ...rest);
    };
    const student = { ...distillation.student, network, timesteps };
    const ends = new Set<unknown>();
    for (let i = 0; i < 16; i++) {
      const { student: came } = await distillStep({ ...distillation, student }, { ...options, key: foldIn(options.key, i) });
      expect(came.norm).toBeGreaterThan(0);
      const passes = asked.splice(0);
      expect(passes).toEqual(timesteps.slice(0, passes.length / 2).flatMap((t) => [t, t]));
      ends.add(passes.at(-1));
    }
    expect([...ends].sort()).toEqual([...timesteps].sort());
    expect(await finite(own)).toBe(true);
  });

  test("of several batches trains one step of several in all of them, as a large batch does, and draws all else anew", async () => {
    const { distillation } = setUp(distillMethods.sds);
    const several = { ...distillation, student: { ...distillation.student, timesteps: fewStepTimesteps(process, 4) } };
    const ends = new Set<number>();
    for (let i = 0; i < 16; i++) {
      const batches = [0, 1, 2].map((b) => ({ ...options, key: foldIn(options.key, 3 * i + b) }));
      const draws = drawsOf(several, batches);
      const counts = draws.map(({ student }) => student.latents.length);
      expect(new Set(counts).size).toBe(1);
      ends.add(counts[0]);
      const first = await Promise.all(draws.map(({ student }) => student.noise.data()));
      expect(new Set(first.map((values) => values.join())).size).toBe(3);
      disposeDrawn(draws, batches);
    }
    expect([...ends].sort()).toEqual([1, 2, 3, 4]);
  });

  test("keeps nothing of a step but what it updates", async () => {
    const { distillation } = setUp(distillMethods.pgSb);
    const held: number[] = [];
    for (let i = 0; i < 4; i++) {
      await distillStep(distillation, { ...options, key: foldIn(options.key, i) });
      held.push(cpu.memory().tensors);
    }
    // The average shares its tensors with the parameters at first. Garbage of other tests may be collected meanwhile.
    expect(held[2]).toBeLessThanOrEqual(held[1]);
    expect(held[3]).toBeLessThanOrEqual(held[2]);
  });

  test("with a negative moves the teacher's guidance away from it, and not the LoRA teacher's", () => {
    const { distillation } = setUp(distillMethods.pgSb);
    const negative = { tokens: normal([1, 5, 6], { key: 23 }) };
    const asked: [string, Tensor][] = [];
    const spy =
      (name: string, network: UNet): UNet =>
      (x, t, context, how) => {
        asked.push([name, context.tokens]);
        return network(x, t, context, how);
      };
    const { teacher, lora } = distillation.teachers;
    const teachers = { ...distillation.teachers, teacher: spy("teacher", teacher), lora: spy("lora", lora) };
    using away = nasa({ negative, scale: 0.5 });
    const heads: string[] = [];
    const attend: Attend = (q, context, layer) => {
      heads.push(layer.path);
      return away()(q, context, layer);
    };
    studentGradients(
      { ...distillation, teachers },
      { prompts: { ...prompts, negative }, draws: drawn(distillMethods.pgSb).student, studentOptions: { attend } },
    );
    const { text, nullText } = prompts;
    expect(asked.map(([name, tokens]) => [name, [text, nullText, negative].findIndex((c) => c.tokens === tokens)])).toEqual([
      ["teacher", 0],
      ["teacher", 2],
      ["lora", 0],
      ["lora", 1],
    ]);
    // The student's layers and no teacher's.
    expect(heads).toHaveLength(new Set(heads).size);
    expect(heads).not.toHaveLength(0);
  });

  test("with a loss that is not finite changes nothing and says so", async () => {
    const { distillation, own, adapter } = setUp(distillMethods.pgSb);
    const before = await Promise.all([own, adapter].map(copy));
    await expect(distillStep(distillation, { ...options, also: (x0) => x0.mean().mul(Number.NaN) })).rejects.toThrow("not finite");
    expect(await Promise.all([own, adapter].map(copy))).toEqual(before);
  });
});
