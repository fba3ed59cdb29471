import { type Shape, SnoopiError, scope, tensor, zeros } from "@snoopi/core";
import { expect, test } from "vitest";
import { subtractText } from "./subtract-text.ts";

const text = (...shape: number[]) => ({ tokens: zeros(shape) });

test("the negative's tokens are scaled and taken from the positive's, whose mask stays", () =>
  scope(async () => {
    const mask = tensor([true, false]);
    const positive = {
      tokens: tensor([
        [
          [1, 2],
          [3, 4],
        ],
        [
          [5, 6],
          [7, 8],
        ],
      ]),
      mask,
    };
    const negative = {
      tokens: tensor([
        [
          [2, 0],
          [0, 2],
        ],
      ]),
      mask: tensor([true, true]),
    };
    const { tokens, mask: kept } = subtractText(positive, negative, { scale: 0.5 });
    expect([...(await tokens.data())]).toEqual([0, 2, 3, 3, 4, 6, 7, 7]);
    expect(kept).toBe(mask);
    expect((await subtractText(positive, positive).tokens.data()).every((v) => v === 0)).toBe(true);
  }));

test.each<[Shape, Shape]>([
  [
    [1, 3, 2],
    [1, 1, 2],
  ],
  [
    [1, 3, 2],
    [1, 4, 2],
  ],
  [
    [1, 3, 2],
    [1, 3, 1],
  ],
  [
    [1, 3, 2],
    [3, 2],
  ],
])("texts of %j and %j are refused", (towards, away) => {
  const says = (shape: Shape) => `[${shape.join(", ")}]`;
  expect(() => subtractText(text(...towards), text(...away))).toThrow(
    new SnoopiError(`subtractText: the texts are ${says(towards)} and ${says(away)}. Pad both to one length L, [B, L, D].`),
  );
});

test("a scale that is not finite is refused", () => {
  expect(() => subtractText(text(1, 1, 1), text(1, 1, 1), { scale: Number.NaN })).toThrow(
    new SnoopiError("subtractText: the scale is NaN, expected a finite number."),
  );
});
