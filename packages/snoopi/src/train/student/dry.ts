import { capture, type DryDevice, type DryOptions, type DType, noGrad, scope, sizeOf, type Tensor } from "@snoopi/core";
import { countOf, manifest } from "@snoopi/models";
import { encodedAtOnce } from "../../prompts/cached-embeddings.ts";
import type { DistillConfig } from "../distill-config.ts";
import type { PackedTrained } from "../packed-trained.ts";
import { uploaded } from "../stage.ts";
import { trainer } from "../step.ts";
import { type DistillSizes, dryRoom, type MemoryPart, measuring } from "./dry-room.ts";
import { regressionStage } from "./regression.ts";
import { distillStepper } from "./stepper.ts";

/** What a step needs and costs. */
export interface StepCost {
  /** Bytes by their purpose, in the order of allocation. They add up to the peak. */
  readonly parts: readonly MemoryPart[];
  /** The most that is held at once. */
  readonly peakBytes: number;
  /** The same with what a device keeps for reuse. */
  readonly deviceBytes: number;
  /** Of the largest tensor. */
  readonly largestBytes: number;
  readonly flops: number;
  /** Kernels of the captured step, and with its draws. */
  readonly dispatches: { readonly captured: number; readonly all: number };
}

/** What a step of a distillation needs and costs. */
export interface DistillCost extends StepCost {
  readonly parameters: { readonly teacher: number; readonly student: number; readonly loraTeacher: number };
}

/**
 * Runs two steps of a distillation on shapes alone: the very program that trains, so its kernels and its memory are those of the run. No weights
 * are read. For a GPU give `webgpuPlan(facts)`.
 */
export function distillCost(config: DistillConfig, sizes: DistillSizes, options: DryOptions = {}): DistillCost {
  const { device, bytes, largest } = measuring(options);
  using room = dryRoom(config, sizes, device);
  const { student, loraTeacher } = room.assembled;
  using stepper = distillStepper({ ...room, name: "dry", device, config, key: [0, 0] });
  const costs = lastOfTwo(device, (step) => stepper.launch(step));
  const numbers = (trained?: PackedTrained) =>
    trained ? Object.values(trained.parameters).reduce((n, { shape }) => n + sizeOf(shape), 0) : 0;
  const parts = [
    ...moving("student", student, { ...config.student, accumulate: config.accumulate, bytes }),
    ...(loraTeacher ? moving("LoRA teacher", loraTeacher, { ...config.loraTeacher, accumulate: config.accumulate, bytes }) : []),
  ];
  return {
    parameters: { teacher: countOf(manifest(sizes.model.network.build)), student: numbers(student), loraTeacher: numbers(loraTeacher) },
    ...held([...room.parts, ...parts], device),
    largestBytes: largest(),
    flops: costs.flops,
    dispatches: { captured: stepper.dispatches, all: costs.dispatches },
  };
}

/**
 * The same for an update of the regression, whose batch differs: it may need more than the distillation. Undefined if the config has none.
 */
export function regressionCost(config: DistillConfig, sizes: DistillSizes, options: DryOptions = {}): StepCost | undefined {
  const { regression } = config;
  const { batch, accumulate, delta, ema } = regression;
  if (regression.steps === 0) return undefined;
  const { device, bytes, largest } = measuring(options);
  using room = dryRoom(config, sizes, device);
  const { student } = room.assembled;
  const stage = regressionStage({ ...room, pairs: room.pairs!, name: "dry", device, batch, delta, key: [0, 0] });
  using training = trainer(stage, regression);
  const costs = lastOfTwo(device, (step) => {
    const batches = Array.from({ length: accumulate }, (_, i) => stage.batch(step * accumulate + i));
    return training.launch(step, batches);
  });
  // The weights are there twice: packed for the distillation, and for the regression.
  const parts: MemoryPart[] = [
    ["student, for the distillation", packedBytes(student, bytes)],
    ...moving("student", student, { ema, accumulate, bytes }),
  ];
  return {
    ...held([...room.parts, ...parts], device),
    largestBytes: largest(),
    flops: costs.flops,
    dispatches: { captured: training.dispatches, all: costs.dispatches },
  };
}

/**
 * The same for texts encoded before the first step, as many as are encoded at once: only then is the text encoder there. Undefined if each
 * step encodes its own.
 */
export function encodingCost(config: DistillConfig, sizes: DistillSizes, options: DryOptions = {}): StepCost | undefined {
  const { keep } = config.embeddings;
  if (keep === "none") return undefined;
  const { device, largest } = measuring(options);
  using room = dryRoom({ ...config, embeddings: { ...config.embeddings, keep: "none" } }, sizes, device);
  using program = capture((ids: Tensor) => room.bank.context(ids).tokens, { device });
  const costs = lastOfTwo(device, () =>
    noGrad(() => scope(() => program(uploaded({ ids: room.bank.inputs(new Int32Array(encodedAtOnce)) }, device).ids))),
  );
  return {
    ...held(room.parts, device),
    largestBytes: largest(),
    flops: costs.flops,
    dispatches: { captured: program.dispatches, all: costs.dispatches },
  };
}

/** The cost of the second of two steps, which is that of all later ones. */
function lastOfTwo(device: DryDevice, launch: (step: number) => Tensor) {
  let before = { flops: 0, dispatches: 0 };
  for (let step = 0; step < 2; step++) {
    before = { flops: device.flops, dispatches: device.dispatches };
    using _ = launch(step);
  }
  return { flops: device.flops - before.flops, dispatches: device.dispatches - before.dispatches };
}

type Bytes = (dtype: DType, length: number) => number;

const packedBytes = ({ sizes }: PackedTrained, bytes: Bytes): number => sizes.reduce((sum, size) => sum + bytes("f32", size), 0);

interface Moving {
  readonly ema: number;
  readonly accumulate: number;
  readonly bytes: Bytes;
}

/** The memory of what is trained, and of what trains it. */
function moving(name: string, trained: PackedTrained, { ema, accumulate, bytes }: Moving): MemoryPart[] {
  const size = packedBytes(trained, bytes);
  return [
    [name, size],
    [`${name}: optimiser`, 2 * size],
    ...(ema > 0 ? [[`${name}: average`, size] as const] : []),
    [`${name}: gradients`, size],
    ...(accumulate > 1 ? [[`${name}: gradients of the batches before`, size] as const] : []),
  ];
}

/** The memory of a device by its parts: all but `known` is activations and workspace. */
function held(known: readonly MemoryPart[], device: DryDevice): Pick<StepCost, "parts" | "peakBytes" | "deviceBytes"> {
  const { peakBytes, peakDeviceBytes } = device.memory();
  const rest = peakBytes - known.reduce((sum, [, size]) => sum + size, 0);
  return { parts: [...known, ["activations and workspace", rest]], peakBytes, deviceBytes: peakDeviceBytes };
}
