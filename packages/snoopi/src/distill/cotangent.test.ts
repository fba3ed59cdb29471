import { grad, keyFromSeed, mean, normal, sizeOf, square, sum, type Tensor, tensor, vjp } from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ddimDefaults } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { dmdCotangent, nanToZero, sdsCotangent, vsdCotangent } from "./cotangent.ts";
import { drawKappas, uniformKappa } from "./kappa.ts";
import { distillationLoss } from "./loss.ts";
import { addNoise, levelsAt, processOf } from "./process.ts";
import { guidedScore, type Predictor } from "./score.ts";
import { type WeightingName, weightings } from "./weighting.ts";

const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));
const shape = [3, 2, 2, 2];
const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const times = fc.array(fc.integer({ min: 20, max: 980 }), { minLength: 3, maxLength: 3 });
const values = async (t: Tensor) => [...(await t.data())];
const draws = (seed: number, stream: number) => normal(shape, { key: seed, stream });

/** A picture, its noised form and four scores: teacher and LoRA teacher, with text and without. */
function scene(seed: number, t: readonly number[]) {
  const [x0, noise, psiC, psiU, piC, piU] = [0, 1, 2, 3, 4, 5].map((stream) => draws(seed, stream));
  const levels = levelsAt(process, t, x0.device);
  return { t, x0, noise, psiC, psiU, piC, piU, ...levels, xt: addNoise(x0, noise, levels) };
}
type Scene = ReturnType<typeof scene>;

const text = { tokens: tensor([[[1]]]) };
const away = { tokens: tensor([[[0]]]) };
const choose =
  (conditional: Tensor, unconditional: Tensor): Predictor =>
  (_x, _t, context) =>
    context === text ? conditional : unconditional;

/** g of a scene with κ for each sample of each teacher. */
function cotangent(s: Scene, kappa: ArrayLike<number>, loraKappa: ArrayLike<number> = kappa, weighting: WeightingName = "sigma2") {
  const guided = (predict: Predictor, k: ArrayLike<number>) => guidedScore(predict, s.xt, { t: s.t, text, away, kappa: k });
  return vsdCotangent({ ...s, weighting, teacher: guided(choose(s.psiC, s.psiU), kappa), lora: guided(choose(s.piC, s.piU), loraKappa) });
}

const close = (a: readonly number[], b: readonly number[], tolerance: number) =>
  a.forEach((v, i) => {
    expect(Math.abs(v - b[i])).toBeLessThanOrEqual(tolerance);
  });

// Scores below 6, κ below 5, three roundings each way: 6·5·8 half-ulps of f32, 2⁻²⁴.
const rounding = 6 * 5 * 8 * 2 ** -24;

describe("the cotangent of VSD", () => {
  test("is linear in κ", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, times, fc.double({ min: 0, max: 1, noNaN: true }), async (seed, t, p) => {
        const s = scene(seed, t);
        const [a, b] = [0.5, 4];
        const between = new Array(3).fill(a + p * (b - a));
        const [low, high, mid] = await Promise.all([[a, a, a], [b, b, b], between].map((k) => values(cotangent(s, k))));
        close(
          mid,
          low.map((v, i) => v + p * (high[i] - v)),
          2 * rounding,
        );
      }),
      { numRuns: 30 },
    );
  });

  test("with one κ is (1 − κ)(ψ_u − π_u) + κ(ψ_c − π_c), weighted", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, times, fc.double({ min: -1, max: 5, noNaN: true }), async (seed, t, k) => {
        const s = scene(seed, t);
        const w = weightings.sigma2({ ...s, teacherX0: () => s.x0 });
        const expected = s.psiU
          .sub(s.piU)
          .mul(1 - k)
          .add(s.psiC.sub(s.piC).mul(k))
          .mul(w);
        close(await values(cotangent(s, [k, k, k])), await values(expected), 2 * rounding);
      }),
      { numRuns: 30 },
    );
  });

  test("with two κ adds each teacher's own guidance to the difference of the texts' scores", async () => {
    await fc.assert(
      fc.asyncProperty(
        seeds,
        times,
        fc.double({ min: 0, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        async (seed, t, k1, k2) => {
          const s = scene(seed, t);
          const expected = s.psiC
            .sub(s.piC)
            .add(s.psiC.sub(s.psiU).mul(k1 - 1))
            .sub(s.piC.sub(s.piU).mul(k2 - 1));
          close(await values(cotangent(s, [k1, k1, k1], [k2, k2, k2], "one")), await values(expected), 2 * rounding);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("averaged over draws of κ is the cotangent at their mean", async () => {
    for (const draws of ["shared", "independent"] as const) {
      const s = scene(11, [100, 500, 900]);
      const runs = 64;
      const kappas = Array.from({ length: runs }, (_, i) => drawKappas(uniformKappa(0.5, 4, { draws }), { batch: 3, key: keyFromSeed(i) }));
      const middle = (who: "teacher" | "lora") => [0, 1, 2].map((b) => kappas.reduce((sum, k) => sum + k[who][b], 0) / runs);
      const all = kappas.map(({ teacher, lora }) => cotangent(s, teacher, lora));
      const average = all.reduce((a, b) => a.add(b)).div(runs);
      // 64 additions: their roundings grow with the sum.
      close(await values(average), await values(cotangent(s, middle("teacher"), middle("lora"))), 8 * rounding);
    }
  });

  test("gives each sample its own κ and weight", async () => {
    const s = scene(5, [100, 500, 900]);
    const whole = await values(cotangent(s, [2, 3, 4]));
    const size = sizeOf(shape) / 3;
    for (const b of [0, 1, 2]) {
      const alone = await values(cotangent(s, new Array(3).fill(b + 2)));
      expect(whole.slice(b * size, (b + 1) * size)).toEqual(alone.slice(b * size, (b + 1) * size));
    }
  });

  test("is zero where the teachers agree", async () => {
    const s = scene(6, [20, 300, 980]);
    expect(await values(cotangent({ ...s, piC: s.psiC, piU: s.psiU }, [4, 4, 4]))).toEqual(new Array(24).fill(0));
  });

  test("has 0 for NaN and leaves infinities", async () => {
    expect(await values(nanToZero(tensor([1, Number.NaN, Number.POSITIVE_INFINITY, -2])))).toEqual([1, 0, Number.POSITIVE_INFINITY, -2]);
    const s = scene(7, [20, 300, 980]);
    const broken = vsdCotangent({ ...s, teacher: s.psiC.mul(Number.NaN), lora: s.piC, weighting: "sigma2" });
    expect(await values(broken)).toEqual(new Array(24).fill(0));
  });

  test("passes no gradient, and is f32 for scores in f16", async () => {
    const s = scene(8, [20, 300, 980]);
    const through = (x0: Tensor) => sum(vsdCotangent({ ...s, x0, xt: x0, teacher: x0, lora: s.piC, weighting: "dmd" }));
    expect(await values(grad(through)(s.x0))).toEqual(new Array(24).fill(0));
    expect(vsdCotangent({ ...s, teacher: s.psiC.to("f16"), lora: s.piC.to("f16"), weighting: "sigma2" }).dtype).toBe("f32");
  });
});

test("SDS is VSD against the noise that was added", async () => {
  const s = scene(2, [50, 500, 950]);
  const common = { ...s, teacher: s.psiC, weighting: "sigma2" } as const;
  expect(await values(sdsCotangent(common))).toEqual(await values(vsdCotangent({ ...common, lora: s.noise })));
});

test("DMD's cotangent is (p_real − p_fake) / mean |p_real| of each sample", async () => {
  const s = scene(4, [50, 500, 950]);
  const x0Of = (eps: Tensor) => s.xt.sub(eps.mul(s.sigma)).div(s.alpha);
  const [real, fake] = [s.psiC, s.piC].map((eps) => s.x0.sub(x0Of(eps)));
  const size = real
    .mul(real)
    .pow(0.5)
    .mean({ axis: [1, 2, 3], keepdims: true });
  // The x₀ of noise at α = 0.1 is ten times as large, and so is what rounding leaves of the difference.
  close(await values(dmdCotangent({ ...s, teacher: s.psiC, lora: s.piC })), await values(real.sub(fake).div(size)), 1e-4);
});

describe("the loss of VSD", () => {
  test("has the gradient that pulling back its cotangent has", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, times, async (seed, t) => {
        const s = scene(seed, t);
        const weight = draws(seed, 9);
        // A student that is no identity.
        const student = (w: Tensor) => s.x0.mul(w).add(square(w));
        const g = cotangent(s, [4, 2, 1]);
        const byLoss = await values(grad((w: Tensor) => distillationLoss(student(w), g))(weight));
        const [, pull] = vjp(student, weight);
        const byCotangent = await values(pull(g.div(sizeOf(shape))));
        // x̂₀ − (x̂₀ − g) has lost what an x̂₀ below 32 rounds away, 2 · 2⁻²⁰; the student's slope is below 16 and there are 24 numbers.
        close(byLoss, byCotangent, (16 * 2 * 2 ** -20) / 24 + rounding);
      }),
      { numRuns: 30 },
    );
  });

  test("is half the mean square of the cotangent", async () => {
    const s = scene(3, [20, 400, 980]);
    const g = cotangent(s, [2, 2, 2]);
    expect(await distillationLoss(s.x0, g).item()).toBeCloseTo(0.5 * (await mean(square(g)).item()), 5);
  });

  test("refuses a cotangent of another shape", () => {
    expect(() => distillationLoss(draws(0, 0), tensor([1]))).toThrow("its cotangent [1]");
  });
});

test("weightings are their closed forms", async () => {
  const s = scene(9, [50, 500, 950]);
  const [alpha, sigma] = await Promise.all([s.alpha, s.sigma].map(values));
  const [x0, teacher] = await Promise.all([s.x0, s.psiC].map(values));
  const distance = [0, 1, 2].map((b) => x0.slice(8 * b, 8 * b + 8).reduce((d, v, i) => d + Math.abs(v - teacher[8 * b + i]), 0) / 8);
  const forms: Record<WeightingName, (b: number) => number> = {
    sigma2: (b) => 1 - process.alpha([50, 500, 950][b]) ** 2,
    one: () => 1,
    alpha: (b) => alpha[b],
    alphaSigma2: (b) => alpha[b] * sigma[b] ** 2,
    dmd: (b) => sigma[b] / alpha[b] / distance[b],
    pixartDmd: (b) => sigma[b] / alpha[b] / (distance[b] + 1e-5),
  };
  for (const [name, form] of Object.entries(forms)) {
    const w = weightings[name as WeightingName]({ ...s, teacherX0: () => s.psiC });
    expect(w.shape).toEqual([3, 1, 1, 1]);
    (await values(w)).forEach((v, b) => {
      // A few roundings to f32.
      expect(v / form(b)).toBeCloseTo(1, 5);
    });
  }
});
