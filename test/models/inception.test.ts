import { type Device, fromData, realize, type Shape, scope, type Tensor, tensor } from "@snoopi/core";
import { countOf, inceptionV3, init, manifest, params } from "@snoopi/models";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { type FormulaRule, formulaParameter, formulaPicture } from "../oracles/formula.ts";
import { goldenJson, goldenTensors, relativeError, sorted } from "./goldens.ts";

interface Case {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly prepare: string;
}
const { cases, rules }: { cases: Case[]; rules: FormulaRule[] } = goldenJson("judges/inception");

test("it asks for the parameters of the published file, name by name", () => {
  const { tensors, parameters } = goldenJson("judges/inception-manifest");
  const asked = manifest(inceptionV3);
  expect(sorted(asked)).toEqual(sorted(new Map(Object.entries(tensors))));
  expect(countOf(asked)).toBe(parameters);
});

test("of its numbers 23,850,960 are trained; the others are the statistics of 94 norms", () => {
  const asked = [...manifest(inceptionV3)];
  const statistics = new Map(asked.filter(([name]) => /running_(mean|var)$/.test(name)));
  expect(statistics.size).toBe(2 * 94);
  expect(countOf(new Map(asked)) - countOf(statistics)).toBe(23_850_960);
});

// The truth is pytorch-fid's network in f64, from which PyTorch itself is 8e-7 away in f32, after 94 layers of sums of up to 3,456 terms. Ours
// sums in another order. The subtlest mistakes weigh more: a norm's eps of 1e-5 1e-2, one part of one norm left out 3e-3, zeros counted at
// the border 0.3, the mean for the largest in the last block 0.2.
const f32 = 1e-5;

describe.each(devices)("on $name", ({ device }) => {
  let network: ReturnType<typeof inceptionV3>;
  const held: Tensor[] = [];
  beforeAll(async () => {
    network = inceptionV3(params(init((path, shape) => formulaTensor(path, shape, device))));
    held.push(...network.folded.flatMap(({ weight, bias }) => [weight, bias]));
    await realize(held);
  });
  afterAll(() => {
    for (const t of held) t.dispose();
  });
  const formulaTensor = (path: string, shape: Shape, on: Device) =>
    fromData(formulaParameter(path, shape, rules), { shape, dtype: "f32", device: on });

  test.each(cases.filter(({ prepare }) => prepare === "none"))(
    "features and logits of the $name picture are pytorch-fid's",
    async (one) => {
      const golden = await goldenTensors("judges/inception");
      await scope(async (s) => {
        const { features, logits } = s.run(() => {
          const bytes = tensor(formulaPicture(one.name, one.height, one.width), { shape: [1, 3, one.height, one.width], device });
          return network(bytes.div(127.5).sub(1));
        });
        await realize([features, logits]);
        expect(await relativeError(features, golden(`${one.name}.features`, { device }))).toBeLessThan(f32);
        expect(await relativeError(logits, golden(`${one.name}.logits`, { device }))).toBeLessThan(f32);
      });
    },
  );

  test("pictures that are too small for its last block are refused", () => {
    expect(() => network(tensor(new Float32Array(3 * 74 * 80), { shape: [1, 3, 74, 80], device }))).toThrow(
      "inceptionV3: pictures are [1, 3, 74, 80], expected [batch, 3, at least 75, at least 75].",
    );
  });
});
