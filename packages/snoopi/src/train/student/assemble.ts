import { alias, cast, type Device, foldIn, fromData, type Key, keep, noGrad, scope, type Tensor } from "@snoopi/core";
import { adapters, type DiffusionNetwork, diffusionNetwork, load, type Params, params } from "@snoopi/models";
import type { Distillation } from "../../distill/distillation.ts";
import { fewStepTimesteps } from "../../distill/few-step.ts";
import { teachersOf } from "../../distill/lora-teacher.ts";
import { processOf } from "../../distill/process.ts";
import type { NoiseSchedule } from "../../schedule/noise-schedule.ts";
import { type DistillConfig, methodOf } from "../distill-config.ts";
import { type PackedTrained, packedTrained } from "../packed-trained.ts";
import type { Weights } from "../stage.ts";

export interface AssembleOptions {
  readonly device: Device;
  readonly config: DistillConfig;
  /** Builds the network, the same for student and teachers. */
  readonly network: (p: Params) => DiffusionNetwork;
  readonly schedule: NoiseSchedule;
  /** The teacher's weights: frozen, and the caller's. */
  readonly base: ReadonlyMap<string, Tensor>;
  readonly key: Key;
}

/** A distillation by a config, on one frozen copy of the teacher. */
export interface Assembled extends Disposable {
  readonly distillation: Distillation;
  readonly student: PackedTrained;
  readonly loraTeacher?: PackedTrained;
  /** The student's weights as those of a whole network: an adapter is merged. */
  whole(weights: Weights): Promise<Weights>;
}

const targets = { qv: [/to_[qv]$/], attention: [/attn\d\.to_(q|k|v|out\.0)$/], all: [/./] } as const;

/** The student begins as the teacher: a copy of its weights, or an adapter that adds nothing yet. */
export function assemble({ device, config, network, schedule, base, key }: AssembleOptions): Assembled {
  const method = methodOf(config);
  const lora = adapters();
  const shared = network(lora.wrap(params(load(base))));
  const prediction = schedule.config.predictionType;
  const adapter = (name: "student" | "pi") => {
    const { rank, alpha, targets: on } = config[name === "pi" ? "loraTeacher" : "student"];
    lora.add(name, { rank, alpha, match: targets[on], key: foldIn(key, name === "pi" ? 1 : 2), device });
    return Object.fromEntries(lora.tensors(name));
  };
  const moved = (parameters: Readonly<Record<string, Tensor>>, { rate, betas, weightDecay, ema }: DistillConfig["loraTeacher"]) =>
    packedTrained(parameters, { lr: rate.peak, betas, weightDecay, ema });

  const full = config.student.train === "full";
  const own = full ? copied(base) : adapter("student");
  const student = moved(own, config.student);
  const learner = full
    ? network(params(load(new Map(Object.entries(own)))))
    : diffusionNetwork(
        (...args) => lora.with("student", () => shared(...args)),
        shared.project && ((context) => lora.with("student", () => shared.project!(context))),
      );
  const loraTeacher = method.loraSteps > 0 ? moved(adapter("pi"), config.loraTeacher) : undefined;
  const two = loraTeacher ? teachersOf(shared, lora, "pi") : { teacher: shared, lora: shared };
  const process = processOf(schedule);
  const { steps, timestep } = config.student;
  const timesteps = timestep === null ? fewStepTimesteps(process, steps) : [timestep];
  return {
    distillation: {
      method,
      process,
      student: { ...student, network: again(learner, config.student.checkpoint), prediction, timesteps },
      teachers: { teacher: two.teacher, lora: again(two.lora, config.loraTeacher.checkpoint), prediction },
      ...(loraTeacher && { loraTeacher }),
    },
    student,
    ...(loraTeacher && { loraTeacher }),
    async whole(weights) {
      if (full) return weights;
      const tensors = new Map(
        [...weights].map(([name, { shape, data }]) => [name, fromData(data, { shape, dtype: "f32", device })] as const),
      );
      const merging = adapters();
      network(merging.wrap(params(load(base))));
      merging.load("student", tensors, { alpha: config.student.alpha });
      const merged = merging.merged("student", base);
      const found = new Map<string, { shape: readonly number[]; data: Float32Array }>();
      for (const [name, t] of base) {
        const values = await (merged.get(name) ?? t).data();
        found.set(name, { shape: t.shape, data: Float32Array.from(values as Float32Array) });
      }
      for (const t of merged.values()) t.dispose();
      merging.remove("student");
      return found;
    },
    [Symbol.dispose]() {
      for (const one of [student, ...(loraTeacher ? [loraTeacher] : [])]) {
        one[Symbol.dispose]();
        for (const t of Object.values(one.parameters)) t.dispose();
      }
    },
  };
}

/** Copies in f32. */
const copied = (base: ReadonlyMap<string, Tensor>): Record<string, Tensor> =>
  Object.fromEntries(
    [...base].map(([name, t]) => [name, keep(noGrad(() => scope(() => (t.dtype === "f32" ? alias(t) : cast(t, "f32")))))]),
  );

const again = (network: DiffusionNetwork, checkpoint: boolean): DiffusionNetwork =>
  checkpoint ? diffusionNetwork((x, t, context, options) => network(x, t, context, { ...options, checkpoint }), network.project) : network;
