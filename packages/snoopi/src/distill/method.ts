import { fixedKappa, type Kappa, type KappaSampler, uniformKappa } from "./kappa.ts";
import { type TimeRange, timeRanges } from "./time-range.ts";
import type { WeightingName } from "./weighting.ts";

/** A way of distilling, as data: what differs between SwiftBrush, SNOOPI, DMD and SDS. */
export interface DistillMethod {
  /** What the teacher's score is compared with: the LoRA teacher's (`"vsd"`), or the noise that was added (`"sds"`). */
  readonly against: "vsd" | "sds";
  readonly weighting: WeightingName;
  readonly kappa: KappaSampler;
  /** Timesteps at which the scores are compared. */
  readonly studentRange: TimeRange;
  /** Timesteps at which the LoRA teacher learns. */
  readonly loraRange: TimeRange;
  /** Probability that the LoRA teacher learns with the null text, the whole batch at once. */
  readonly nullText: number;
  /** How the LoRA teacher's errors of ε are weighted over t: by ᾱ_t as in SwiftBrush (default), or equally. */
  readonly loraWeighting?: "abar" | "one";
  /** Updates of the LoRA teacher for one of the student: TTUR's r. None for SDS. */
  readonly loraSteps: number;
  /**
   * NASA-T: α of NASA in the student while it trains, away from a negative. The frozen teacher's guidance is away from it as well (Eq. 5),
   * the LoRA teacher's is not.
   */
  readonly nasa?: { readonly scale: Kappa; readonly per: KappaSampler["per"] };
  /** The norm that gradients are clipped to. */
  readonly maxNorm: number;
}

const swiftBrush: DistillMethod = {
  against: "vsd",
  weighting: "sigma2",
  kappa: fixedKappa(4.5),
  studentRange: timeRanges.vsd,
  loraRange: timeRanges.all,
  nullText: 0.1,
  loraSteps: 1,
  maxNorm: 1,
};

/** Published methods, with their published numbers; where SNOOPI is silent, SwiftBrush's. */
export const distillMethods = {
  /** SwiftBrush: Eq. 6, one κ. */
  swiftBrush,
  /** SNOOPI's PG-SB for Stable Diffusion: Eq. 7. */
  pgSb: { ...swiftBrush, kappa: uniformKappa(0.5, 4) },
  /** SNOOPI's PG-SB for PixArt. */
  pgSbPixart: { ...swiftBrush, kappa: uniformKappa(0.5, 3) },
  /** PG-SB with NASA-T: α ~ U(0, 1) for the batch. Give each step a negative. */
  nasaT: { ...swiftBrush, kappa: uniformKappa(0.5, 4), nasa: { scale: { uniform: [0, 1] }, per: "batch" } },
  /** SwiftBrush with five updates of the LoRA teacher: what SNOOPI compares with in Fig. 2. */
  ttur: { ...swiftBrush, loraSteps: 5 },
  /** The gradient of DMD2 for Stable Diffusion 1, without its GAN: only the real score is guided. */
  dmd2: {
    ...swiftBrush,
    weighting: "dmd",
    kappa: { teacher: { fixed: 1.75 }, lora: { fixed: 1 }, per: "sample", draws: "shared" },
    loraSteps: 10,
    maxNorm: 10,
  },
  /** Score distillation sampling: no LoRA teacher. */
  sds: { ...swiftBrush, against: "sds", loraSteps: 0 },
} as const satisfies Record<string, DistillMethod>;
