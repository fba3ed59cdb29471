import type { Device } from "@snoopi/core";
import { generate, type LoadedModel, planOf, type Request, type Stage, sample } from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { loadTinyModel } from "./tiny.ts";

// What a picture leaves behind: nothing, however it ends.

const small = { width: 32, height: 32, steps: 1 };

const requests: [string, Request][] = [
  ["one step", { prompt: "a cat", ...small }],
  ["one step away from a negative", { prompt: "a cat", negative: "blurry", ...small }],
  ["one step away from a negative, the empty text being neutral", { prompt: "a cat", negative: "blurry", guidance: "neutral", ...small }],
  ["one step from a difference of texts", { prompt: "a cat", negative: "blurry", guidance: "subtract", ...small }],
  ["one step away from a negative without its padding", { prompt: "a cat", negative: "blurry", guidance: "vsf", ...small }],
  ["one step of two passes", { prompt: "a cat", negative: "blurry", guidance: "cfg", ...small }],
  [
    "two guided steps away from a negative, by both methods",
    { prompt: "a cat", ...small, steps: 2, guidance: 3, negative: "blurry", nasaScale: 0.5 },
  ],
];

const held = (device: Device) => {
  const { tensors, bytes } = device.memory();
  return { tensors, bytes };
};

for (const { name, device } of devices) {
  describe(`on ${name}`, () => {
    const empty = held(device);
    let loaded: LoadedModel;
    let resident: ReturnType<typeof held>;
    beforeAll(async () => {
      loaded = await loadTinyModel("sd15-tiny", device);
      resident = held(device);
    });
    afterAll(() => {
      loaded[Symbol.dispose]();
      expect(held(device)).toEqual(empty);
    });

    describe.each(requests)("%s", (_, request) => {
      test("leaves nothing behind, and gives the same bytes again", async () => {
        const first = await generate(loaded, request);
        expect(held(device)).toEqual(resident);
        expect(await generate(loaded, request)).toEqual(first);
        expect(held(device)).toEqual(resident);
        // The bytes are of a picture, not of nothing.
        expect(new Set(first.data).size).toBeGreaterThan(20);
      });

      test("stops with the signal's reason wherever it is when it is aborted, and leaves nothing behind", async () => {
        const reports: [Stage, number][] = [];
        await generate(loaded, request, { onProgress: (stage, done) => reports.push([stage, done]) });
        // Whole texts and steps are always reported; what comes between them is a matter of time. After the last there is nothing to stop.
        const whole = reports.filter(([stage, done]) => stage !== "decode" && Number.isInteger(done));
        for (const [stage, done] of new Map(whole.map((report) => [report.join(), report])).values()) {
          const controller = new AbortController();
          const reason = new Error(`stopped at ${stage} ${done}`);
          const onProgress = (...now: [Stage, number, number]) => {
            if (now[0] === stage && now[1] === done) controller.abort(reason);
          };
          await expect(generate(loaded, request, { signal: controller.signal, onProgress })).rejects.toBe(reason);
          expect(held(device)).toEqual(resident);
        }
      });
    });

    test("a signal that was aborted before lets nothing begin", async () => {
      const stages: Stage[] = [];
      const signal = AbortSignal.abort("no");
      await expect(generate(loaded, { prompt: "a cat" }, { signal, onProgress: (stage) => stages.push(stage) })).rejects.toBe("no");
      expect(stages).toEqual([]);
      expect(held(device)).toEqual(resident);
    });

    test("an error thrown by a hook ends the picture and leaves nothing behind", async () => {
      for (const stop of ["text", "steps", "decode"]) {
        const onProgress = (stage: Stage) => {
          if (stage === stop) throw new Error(stop);
        };
        await expect(generate(loaded, { prompt: "a cat", negative: "blurry", ...small }, { onProgress })).rejects.toThrow(stop);
        expect(held(device)).toEqual(resident);
      }
    });

    test("sampled latents live until they are disposed of", async () => {
      const latents = await sample(loaded, planOf(loaded.model, { prompt: "a cat", steps: 1 }));
      expect(latents.shape).toEqual([1, 4, 8, 8]);
      expect(held(device)).toEqual({ tensors: resident.tensors + 1, bytes: resident.bytes + 4 * 64 * 4 });
      latents.dispose();
      expect(held(device)).toEqual(resident);
    });

    test("progress of each stage rises to its total, and stages come in order", async () => {
      const reports: [Stage, number, number][] = [];
      await generate(loaded, { prompt: "a cat", ...small, steps: 3 }, { onProgress: (...report) => reports.push(report) });
      const order = [...new Set(reports.map(([stage]) => stage))];
      expect(order).toEqual(["text", "steps", "decode"]);
      expect(reports.map(([stage]) => order.indexOf(stage))).toEqual(reports.map(([stage]) => order.indexOf(stage)).toSorted());
      for (const stage of order) {
        const done = reports.flatMap(([of, done]) => (of === stage ? [done] : []));
        const total = reports.find(([of]) => of === stage)![2];
        expect(done).toEqual(done.toSorted((a, b) => a - b));
        expect([done.at(-1), total]).toEqual([{ text: 2, steps: 3, decode: 1 }[stage], { text: 2, steps: 3, decode: 1 }[stage]]);
      }
    });
  });
}
