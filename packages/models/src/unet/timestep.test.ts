import { cpu, tensor } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sinusoid } from "./timestep.ts";

const at = async (t: Parameters<typeof sinusoid>[0], options: Omit<Parameters<typeof sinusoid>[1], "device">) => [
  ...(await sinusoid(t, { ...options, device: cpu }).data()),
];

// Values of diffusers' get_timestep_embedding. One unit in the last place of a frequency, where exp may differ, moves an angle of 1000
// by 6e-5.
const oneUlp = 1e-4;
test.each([
  [999, { width: 8 }, [0.99964982, 0.80745506, -0.84446979, 0.54114354, -0.02646075, -0.5899291, -0.53560317, 0.84093022]],
  [964.55, { width: 7, flipSinToCos: false, freqShift: 1 }, [-0.08095445, -0.21893345, 0.0963055, -0.99671781, -0.97573978, 0.99535179, 0]],
  [20, { width: 6, freqShift: 1 }, [0.40808207, 0.9800666, 0.999998, 0.91294527, 0.19866931, 0.0019999985]],
] as const)("the sinusoid of step %d with %o is diffusers'", async (t, options, wanted) => {
  for (const step of [t, [t], tensor([t])]) {
    const got = await at(step, options);
    expect(got.map((value, i) => Math.abs(value - wanted[i]) < oneUlp)).toEqual(wanted.map(() => true));
  }
});

test("a tensor of steps gives what the same numbers give", async () => {
  const options = fc.record({ width: fc.integer({ min: 4, max: 40 }), flipSinToCos: fc.boolean() });
  const steps = fc.array(fc.float({ min: 0, max: 1000, noNaN: true }), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(steps, options, async (t, options) => {
      const [host, device] = [await at(t, options), await at(tensor(t), options)];
      // Taking whole turns off is exact but for the last part of 2π: 160 turns · 2⁻²⁴ · 1.7e-7, and half a unit of an angle below 4.
      expect(Math.max(...host.map((value, i) => Math.abs(device[i] - value)))).toBeLessThan(1e-6);
    }),
    { numRuns: 50 },
  );
});

test("steps beyond any schedule keep their sine", async () => {
  // Close to multiples of π/2 and of 2π: any error in what is taken off shows.
  for (const t of [1608.4954, 1000, 6283.185]) {
    const [c, s] = await at(tensor([t]), { width: 2 });
    expect(Math.abs(c - Math.cos(Math.fround(t)))).toBeLessThan(1e-6);
    expect(Math.abs(s - Math.sin(Math.fround(t)))).toBeLessThan(1e-6);
  }
});

test("steps that are no list are refused", () => {
  expect(() => sinusoid(tensor([[1, 2]]), { width: 4, device: cpu })).toThrow("timestep: the steps are [1, 2], expected [B].");
  expect(() => sinusoid([1, Number.POSITIVE_INFINITY], { width: 4, device: cpu })).toThrow("timestep: Infinity is no step of a schedule.");
});
