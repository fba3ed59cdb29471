import { expect, test } from "vitest";
import { matchWeights, requireMatch } from "./match.ts";

const entries = (shapes: Record<string, number[]>) =>
  new Map(Object.entries(shapes).map(([name, shape]) => [name, { dtype: "F32", shape, start: 0, end: 0 }]));

test("stored tensors are found under their old names, and ones at the end of a shape do not matter", () => {
  const at = "encoder.mid_block.attentions.0";
  const match = matchWeights(
    "vae",
    entries({ [`${at}.query.weight`]: [4, 4, 1, 1], [`${at}.query.bias`]: [4] }),
    new Map([
      [`${at}.to_q.weight`, [4, 4]],
      [`${at}.to_q.bias`, [4]],
    ]),
  );
  expect([...match.names.values()]).toEqual([`${at}.query.weight`, `${at}.query.bias`]);
  expect(() => requireMatch(match, "vae")).not.toThrow();
});

test("what is missing, of another shape, unexpected and dropped is listed in full", () => {
  const stored = entries({ "text_model.a": [2], "text_model.b": [3], extra: [1], "text_model.embeddings.position_ids": [1, 77] });
  const match = matchWeights(
    "clip",
    stored,
    new Map([
      ["a", [2]],
      ["b", [2]],
      ["c", [1]],
      ["d", [1]],
    ]),
  );
  expect([...match.names]).toEqual([["a", "text_model.a"]]);
  expect(match.unexpected).toEqual(["extra"]);
  expect(match.dropped).toEqual(["text_model.embeddings.position_ids"]);
  expect(() => requireMatch(match, "m/text_encoder")).toThrow(
    "m/text_encoder: 2 tensors missing: c, d; 1 tensor of another shape: b is [3] in the file and [2] in the model. The config and the weights are not of the same model.",
  );
});
