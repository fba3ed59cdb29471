import {
  broadcastTo,
  type CaptureOptions,
  capture,
  concat,
  type Device,
  full,
  leaves,
  mean,
  mul,
  noGrad,
  reshape,
  sqrt,
  square,
  sub,
  type Tensor,
} from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import {
  type DistillBatch,
  type DistillStepOptions,
  type DistillStepResult,
  disposeDrawn,
  drawsOf,
  type StepRandomness,
} from "./distill-step.ts";
import { type Distillation, loraTeacherOf } from "./distillation.ts";
import type { LoraDraws, StudentDraws } from "./draws.ts";
import { meanOver } from "./mean-over.ts";
import { loraGradients, loraText, studentGradients } from "./step-gradients.ts";
import type { Judged, Prompts } from "./student-loss.ts";
import { cameOut, joined, notFinite, recordUpdate, type Updated } from "./update.ts";

export interface CapturedDistillOptions extends Pick<CaptureOptions, "check"> {
  readonly studentOptions?: UNetOptions;
  /** A further loss on the student's picture. What it reads that changes from step to step, such as a weight, comes in `given`. */
  readonly also?: (x0: Tensor, given: Readonly<Record<string, Tensor>>) => Tensor | Judged;
}

/** What a step learns from. */
export type CapturedBatch = StepRandomness &
  Pick<DistillBatch, "prompts"> & {
    /** For `also`. */
    readonly given?: Readonly<Record<string, Tensor>>;
  };

export type CapturedStepOptions = CapturedBatch &
  Pick<DistillStepOptions, "lr"> & {
    /** Further batches, as for `distillStep`. */
    readonly more?: readonly CapturedBatch[];
  };

/** Distillation of which each step is one captured program. It holds the program's memory until it is disposed of. */
export interface CapturedDistillation extends Disposable {
  /**
   * As `distillStep`.
   * @throws SnoopiError when a loss or gradient was not finite: the network concerned is then unchanged.
   */
  step(options: CapturedStepOptions): Promise<DistillStepResult>;
  /** The same, with all figures of the step; a loss or gradient that is not finite does not throw, but leaves its network unchanged. */
  report(options: CapturedStepOptions): Promise<CapturedReport>;
  /** Only hands the step to the device and returns the figures that `report` reads. On a dry device this counts a step. */
  launch(options: CapturedStepOptions): Tensor;
  /** Kernels of the latest step. */
  readonly dispatches: number;
  /** Programs captured so far: one for each combination of shapes of prompts and draws, and for each step of a multi-step student. */
  readonly programs: number;
}

export interface CapturedReport extends DistillStepResult {
  /**
   * `g` is the root mean square of g and `std` the standard deviation of the student's pictures, both over all batches together; the rest
   * are the figures of `also`, averaged over batches.
   */
  readonly told: Readonly<Record<string, number>>;
}

/** All that changes from step to step. */
interface Given {
  readonly batches: readonly GivenBatch[];
  readonly lr: { readonly student?: Tensor; readonly lora?: Tensor };
}

interface GivenBatch {
  readonly prompts: Prompts;
  readonly draws: StudentDraws;
  readonly lora: readonly (Pick<LoraDraws, "times" | "noise"> & { readonly text: Context })[];
  readonly given: Readonly<Record<string, Tensor>>;
}

/**
 * {@link distillStep} as one captured program: the student's step, its average, and every update of the LoRA teacher. Optimisers and the
 * average must be made with `gated: true`; the networks and what they read stay the same.
 */
export function captureDistillation(
  distillation: Distillation,
  { studentOptions, also, check }: CapturedDistillOptions = {},
): CapturedDistillation {
  const { method, student } = distillation;
  const { maxNorm } = method;
  const loraTeacher = loraTeacherOf(distillation);
  let names: readonly string[] = [];
  const program = capture(
    ({ batches, lr }: Given) => {
      const pictures: Tensor[] = [];
      const { told, ...learned } = meanOver(batches, ({ prompts, draws, given }) => {
        const { x0, ...learned } = studentGradients(distillation, {
          prompts,
          draws,
          ...(studentOptions && { studentOptions }),
          ...(also && { also: (x0) => also(x0, given) }),
        });
        pictures.push(x0);
        return joined(student, learned);
      });
      const results = [recordUpdate(student, { ...learned, maxNorm, ...rate(lr.student) })];
      for (let i = 0; loraTeacher && i < method.loraSteps; i++) {
        const seen = batches.map(({ lora }, b) => ({ x0: pictures[b], text: lora[i].text, draws: lora[i] }));
        const learned = meanOver(seen, (one) => joined(loraTeacher, loraGradients(distillation, one)));
        results.push(recordUpdate(loraTeacher, { ...learned, maxNorm, ...rate(lr.lora) }));
      }
      const { difference, ...others } = told;
      names = ["g", "std", ...Object.keys(others)];
      const x0 = pictures.length === 1 ? pictures[0] : concat(pictures);
      const figures = noGrad(() => [sqrt(mul(difference, 2)), sqrt(mean(square(sub(x0, mean(x0))))), ...Object.values(others)]);
      const all = concat([...results.flatMap(({ loss, norm }) => [loss, norm]), ...figures].map((t) => reshape(t, [1])));
      for (const t of [...pictures, ...Object.values(told)]) t.dispose();
      return all;
    },
    check ? { check } : {},
  );

  function launch({ more = [], lr = {}, ...first }: CapturedStepOptions): Tensor {
    const all: readonly CapturedBatch[] = [first, ...more];
    const draws = drawsOf(distillation, all);
    const { device } = first.prompts.text.tokens;
    const made: Tensor[] = [];
    try {
      const rates = { ...rateOn(device, "student", lr.student), ...rateOn(device, "lora", lr.lora) };
      made.push(...leaves(rates));
      const batches = all.map(({ prompts, given = {} }, i) => {
        const lora = draws[i].lora.map(({ nullText, ...drawn }) => {
          const text = alike(loraText(prompts, { nullText }), prompts.text);
          made.push(text.tokens);
          return { ...drawn, text };
        });
        return { prompts, draws: draws[i].student, lora, given };
      });
      return program({ batches, lr: rates });
    } finally {
      for (const t of made) t.dispose();
      disposeDrawn(draws, all);
    }
  }

  async function report(options: CapturedStepOptions): Promise<CapturedReport> {
    using figures = launch(options);
    const values = await figures.data();
    const updates = 1 + (loraTeacher ? method.loraSteps : 0);
    const [student, ...lora] = pairs(values.subarray(0, 2 * updates));
    return { student, lora, told: Object.fromEntries(names.map((name, i) => [name, values[2 * updates + i]])) };
  }

  return {
    launch,
    report,
    async step(options) {
      const { student, lora } = await report(options);
      if (!cameOut(student)) throw notFinite("student", student);
      for (const one of lora) if (!cameOut(one)) throw notFinite("LoRA teacher", one);
      return { student, lora };
    },
    get dispatches() {
      return program.dispatches;
    },
    get programs() {
      return program.programs;
    },
    [Symbol.dispose]: () => program[Symbol.dispose](),
  };
}

const rate = (lr: Tensor | undefined) => (lr ? { lr } : {});

const rateOn = (device: Device, name: "student" | "lora", lr: number | undefined): { readonly [N in typeof name]?: Tensor } =>
  lr === undefined ? {} : { [name]: full([], lr, { device }) };

/** Broadcasts a context to another's batch size, so that the null text needs no program of its own. */
const alike = (context: Context, { tokens: { shape } }: Context): Context => {
  const [batch, ...own] = [shape[0], ...context.tokens.shape.slice(1)];
  return { ...context, tokens: broadcastTo(context.tokens, [Math.max(batch, context.tokens.shape[0]), ...own]) };
};

const pairs = (figures: ArrayLike<number>): Updated[] =>
  Array.from({ length: figures.length / 2 }, (_, i) => ({ loss: figures[2 * i], norm: figures[2 * i + 1] }));
