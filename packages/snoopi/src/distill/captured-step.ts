import { broadcastTo, type CaptureOptions, capture, concat, type Device, full, leaves, reshape, type Tensor } from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import { type DistillStepOptions, type DistillStepResult, drawsOf, type StepRandomness } from "./distill-step.ts";
import { type Distillation, loraTeacherOf } from "./distillation.ts";
import { disposeDraws, type LoraDraws, type StudentDraws } from "./draws.ts";
import { loraGradients, loraText, studentGradients } from "./step-gradients.ts";
import type { Prompts } from "./student-loss.ts";
import { cameOut, notFinite, recordUpdate, type Updated } from "./update.ts";

export interface CapturedDistillOptions extends Pick<CaptureOptions, "check"> {
  readonly studentOptions?: UNetOptions;
  /** What else the student's picture is judged by: a scalar. What it reads that changes from step to step, such as a weight, is `given`. */
  readonly also?: (x0: Tensor, given: Readonly<Record<string, Tensor>>) => Tensor;
}

export type CapturedStepOptions = StepRandomness &
  Pick<DistillStepOptions, "prompts" | "lr"> & {
    /** For `also`. */
    readonly given?: Readonly<Record<string, Tensor>>;
  };

/** Distillation whose steps are one program each. It holds the program's memory until it is disposed of. */
export interface CapturedDistillation extends Disposable {
  /**
   * As `distillStep`.
   * @throws SnoopiError when a loss or gradient was not finite: of what was not finite nothing has changed.
   */
  step(options: CapturedStepOptions): Promise<DistillStepResult>;
  /** Kernels of the latest step. */
  readonly dispatches: number;
  /** Programs made so far: one for each combination of shapes of prompts and draws, and for each step of a student of several. */
  readonly programs: number;
}

/** All that changes from step to step. */
interface Given {
  readonly prompts: Prompts;
  readonly draws: StudentDraws;
  readonly lora: readonly (Pick<LoraDraws, "times" | "noise"> & { readonly text: Context })[];
  readonly lr: { readonly student?: Tensor; readonly lora?: Tensor };
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
  const program = capture(
    ({ prompts, draws, lora, lr, given }: Given) => {
      const { x0, ...learned } = studentGradients(distillation, {
        prompts,
        draws,
        ...(studentOptions && { studentOptions }),
        ...(also && { also: (x0) => also(x0, given) }),
      });
      const results = [recordUpdate(student, { ...learned, maxNorm, ...rate(lr.student) })];
      for (const drawn of loraTeacher ? lora : []) {
        const learned = loraGradients(distillation, { x0, text: drawn.text, draws: drawn });
        results.push(recordUpdate(loraTeacher!, { ...learned, maxNorm, ...rate(lr.lora) }));
      }
      x0.dispose();
      return concat(results.flatMap(({ loss, norm }) => [reshape(loss, [1]), reshape(norm, [1])]));
    },
    check ? { check } : {},
  );

  return {
    async step({ prompts, lr = {}, given = {}, ...randomness }) {
      const draws = drawsOf(distillation, { ...randomness, prompts });
      const { device } = prompts.text.tokens;
      const rates = { ...rateOn(device, "student", lr.student), ...rateOn(device, "lora", lr.lora) };
      const lora = draws.lora.map(({ nullText, ...drawn }) => ({ ...drawn, text: alike(loraText(prompts, { nullText }), prompts.text) }));
      let figures: Tensor | undefined;
      try {
        figures = program({ prompts, draws: draws.student, lora, lr: rates, given });
        const [first, ...rest] = pairs(await figures.data());
        if (!cameOut(first)) throw notFinite("student", first);
        for (const one of rest) if (!cameOut(one)) throw notFinite("LoRA teacher", one);
        return { student: first, lora: rest };
      } finally {
        figures?.dispose();
        for (const t of leaves([rates, lora.map(({ text }) => text.tokens)])) t.dispose();
        if (!("draws" in randomness)) disposeDraws(draws);
      }
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

/** The context for as many samples as another has: the null text then needs no program of its own. */
const alike = (context: Context, { tokens: { shape } }: Context): Context => {
  const [batch, ...own] = [shape[0], ...context.tokens.shape.slice(1)];
  return { ...context, tokens: broadcastTo(context.tokens, [Math.max(batch, context.tokens.shape[0]), ...own]) };
};

const pairs = (figures: ArrayLike<number>): Updated[] =>
  Array.from({ length: figures.length / 2 }, (_, i) => ({ loss: figures[2 * i], norm: figures[2 * i + 1] }));
