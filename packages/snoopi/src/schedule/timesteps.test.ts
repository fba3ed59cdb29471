import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { ddimDefaults } from "./config.ts";
import { noiseSchedule } from "./noise-schedule.ts";
import { timesteps } from "./timesteps.ts";

const scheduleOf = (timestepSpacing: string, { stepsOffset = 0, numTrainTimesteps = 1000 } = {}) =>
  noiseSchedule({ ...ddimDefaults, timestepSpacing, stepsOffset, numTrainTimesteps });

/** Hashes over the timesteps diffusers 0.42.1's DDIMScheduler chooses for n = 1, 2, 3, …, one after another as i32. */
test.each([
  ["leading", 0, 1000, 1000, "e956826e08a21cfeebf5110fb2f2d36e1957700c08ac89d7102c8f9c40daf305"],
  ["leading", 1, 1000, 999, "955a8af183cce834967e32a5601c390e534ffacb5c39a0a3a0b6001bef2dd6aa"],
  ["trailing", 0, 1000, 1000, "47e19a164f0c7e545c15d5d1a2b9faec24718d21b96f3ca4b1427f869a36ba57"],
  ["linspace", 0, 1000, 1000, "9f24ccae39c809781bcd0185850be16bf6b3d807e001b3447e416e595cbd3665"],
  ["leading", 0, 333, 333, "f3e120bb4d0c6d6532765aaa81e9247979a38709223c50bc7f60894d00c7007e"],
  ["trailing", 0, 333, 333, "c6094becc205549967b2e9f280e4ee27e6df4e436e60eb391688bbc66b73c154"],
  ["linspace", 0, 333, 333, "7c34e4fb3700e5abc1a5eb673aa8b610d12e24f392c07e812918a56667385222"],
] as const)(
  "%s spacing with offset %i over %i timesteps chooses diffusers' for every number of steps",
  (spacing, offset, total, most, hash) => {
    const schedule = scheduleOf(spacing, { stepsOffset: offset, numTrainTimesteps: total });
    const all = createHash("sha256");
    for (let n = 1; n <= most; n++) {
      const chosen = timesteps(schedule, n);
      expect(chosen.length).toBe(n);
      all.update(new Uint8Array(Int32Array.from(chosen).buffer));
    }
    expect(all.digest("hex")).toBe(hash);
  },
);

test("known lists come out", () => {
  expect(timesteps(scheduleOf("trailing"), 4)).toEqual([999, 749, 499, 249]);
  expect(timesteps(scheduleOf("leading", { stepsOffset: 1 }), 4)).toEqual([751, 501, 251, 1]);
  expect(timesteps(scheduleOf("linspace"), 4)).toEqual([999, 666, 333, 0]);
  expect(timesteps(scheduleOf("leading", { stepsOffset: 1 }), 1)).toEqual([1]);
  expect(timesteps(scheduleOf("linspace"), 1)).toEqual([0]);
});

test("steps that cannot be taken are refused in one line", () => {
  const schedule = scheduleOf("leading", { stepsOffset: 1 });
  for (const n of [0, -1, 1.5, 1001, Number.NaN]) {
    expect(() => timesteps(schedule, n)).toThrow(
      `timesteps: cannot take ${n} steps. Pass a whole number from 1 to 1000, the timesteps the model was trained on.`,
    );
  }
  expect(() => timesteps(schedule, 1000)).toThrow(
    "timesteps: 1000 steps with steps_offset 1 start at timestep 1000, past the last trained one, 999. Take fewer steps.",
  );
});
