import fc from "fast-check";
import { expect, test } from "vitest";
import { type Piece, unigram } from "./unigram.ts";

const vocabulary: readonly Piece[] = [
  ["<unk>", 0],
  ["a", -2],
  ["b", -3],
  ["ab", -4],
  ["aba", -9],
  ["😀", -3],
];

test.each([
  ["", []],
  ["ab", [3]],
  ["aba", [3, 1]],
  ["bab", [2, 3]],
  ["a😀b", [1, 5, 2]],
  ["xa", [0, 1]],
  ["axxxb", [1, 0, 2]],
  ["a猫x😀猫", [1, 0, 5, 0]],
])("the word %j is the pieces %j", (word, ids) => {
  expect(unigram(vocabulary, 0)(word)).toEqual(ids);
});

const cut = (a: number, b: number, ab: number) =>
  unigram(
    [
      ["<unk>", 0],
      ["a", a],
      ["b", b],
      ["ab", ab],
    ],
    0,
  )("ab");

test("of two ways that are worth the same, the one with the longer last piece is taken", () => {
  expect(cut(-2, -3, -4.5)).toEqual([3]);
  expect(cut(-2, -3, -5)).toEqual([3]);
  expect(cut(-2, -3, -5.5)).toEqual([1, 2]);
});

test("an unknown character costs ten more than the least score, also where scores are no logarithms", () => {
  const pieces: Piece[] = [
    ["<unk>", 0],
    ["a", 5],
    ["ax", -3],
  ];
  // -3 against 5 - 13. The Rust tokenizers say the same.
  expect(unigram(pieces, 0)("ax")).toEqual([2]);
  pieces[1] = ["a", 11];
  expect(unigram(pieces, 0)("ax")).toEqual([1, 0]);
});

/** The best sum over every way to cut a word, each tried. */
function bestSum(word: readonly string[], scores: ReadonlyMap<string, number>, unknown: number): number {
  if (word.length === 0) return 0;
  let best = Number.NEGATIVE_INFINITY;
  for (let length = 1; length <= word.length; length++) {
    const score = scores.get(word.slice(0, length).join("")) ?? (length === 1 ? unknown : undefined);
    if (score !== undefined) best = Math.max(best, score + bestSum(word.slice(length), scores, unknown));
  }
  return best;
}

test("no other way to cut a word has a larger sum", () => {
  const letter = fc.constantFrom("a", "b", "猫", "😀");
  const text = fc.array(letter, { minLength: 1, maxLength: 4 }).map((letters) => letters.join(""));
  const pieces = fc.uniqueArray(fc.tuple(text, fc.integer({ min: -40, max: 20 })), { maxLength: 12, selector: ([text]) => text });
  fc.assert(
    fc.property(pieces, fc.array(letter, { maxLength: 8 }), (list, word) => {
      const all: Piece[] = [["<unk>", 0], ...list];
      const unknown = Math.min(...all.map(([, score]) => score)) - 10;
      // Counts unknown characters one by one: a run of them is fused into one id, but each costs.
      const ids = unigram(all, 0)(word.join(""));
      const known = ids.filter((id) => id !== 0);
      const left = word.length - known.reduce((sum, id) => sum + [...all[id][0]].length, 0);
      const sum = known.reduce((total, id) => total + all[id][1], 0) + left * unknown;
      expect(sum).toBe(bestSum(word, new Map(list), unknown));
      expect(ids.some((id, index) => id === 0 && ids[index + 1] === 0)).toBe(false);
    }),
  );
});
