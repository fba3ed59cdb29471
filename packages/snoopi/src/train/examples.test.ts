import { keyFromSeed } from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { satisfies } from "../world/attributes.ts";
import { integers, namedOf, normals, picturesOf, scenesOf, stepKey, uniforms } from "./examples.ts";

const key = keyFromSeed(3);

describe("examples", () => {
  test("are the same whichever step asks for them first", () => {
    const all = scenesOf(key, 0, 6);
    expect(scenesOf(key, 4, 2)).toEqual(all.slice(4));
  });

  test("have captions that are true of their pictures", () => {
    const scenes = scenesOf(key, 0, 50);
    const named = scenes.map(({ attributes }, i) => namedOf(attributes, key, i));
    expect(named.every((constraint, i) => satisfies(scenes[i].attributes, constraint))).toBe(true);
    const counts = named.map((constraint) => Object.keys(constraint).length);
    expect([Math.min(...counts) < 2, Math.max(...counts) > 3]).toEqual([true, true]);
  });

  test("are smaller pictures whose pixels are means over squares", () => {
    const scenes = scenesOf(key, 0, 2);
    const [whole, small] = [picturesOf(scenes), picturesOf(scenes, 16)];
    expect([whole.shape, small.shape]).toEqual([
      [2, 3, 64, 64],
      [2, 3, 16, 16],
    ]);
    const at = (n: number, channel: number, row: number, column: number) => whole.data[((n * 3 + channel) * 64 + row) * 64 + column];
    let sum = 0;
    for (let row = 20; row < 24; row++) for (let column = 36; column < 40; column++) sum += at(1, 2, row, column);
    expect(small.data[((1 * 3 + 2) * 16 + 5) * 16 + 9]).toBeCloseTo(sum / 16, 5);
  });

  test("are larger pictures with every pixel repeated, and refused where pixels would have to be mixed", () => {
    const scenes = scenesOf(key, 0, 2);
    const [whole, large] = [picturesOf(scenes), picturesOf(scenes, 128)];
    expect(large.shape).toEqual([2, 3, 128, 128]);
    const at = (n: number, channel: number, row: number, column: number) => whole.data[((n * 3 + channel) * 64 + row) * 64 + column];
    const wrong = [...large.data].filter((v, i) => {
      const [plane, row, column] = [Math.floor(i / 128 ** 2), Math.floor(i / 128) % 128, i % 128];
      return v !== at(Math.floor(plane / 3), plane % 3, row >> 1, column >> 1);
    });
    expect(wrong).toEqual([]);
    for (const side of [24, 96]) expect(() => picturesOf(scenes, side)).toThrow(`pictures: 64 × 64 cannot become ${side} × ${side}, as`);
  });

  test("of a purpose and a step have numbers of their own", () => {
    const draws = [stepKey(key, 1, 0), stepKey(key, 1, 1), stepKey(key, 2, 0)].map((one) => [...uniforms(4, one)]);
    expect(new Set(draws.map(String)).size).toBe(3);
    const whole = integers(1000, 7, key);
    expect([Math.min(...whole), Math.max(...whole)]).toEqual([0, 6]);
    const drawn = [...normals([1000], key).data];
    // Five deviations of the mean of 1000 normals.
    expect(Math.abs(drawn.reduce((a, b) => a + b, 0) / 1000)).toBeLessThan(5 / Math.sqrt(1000));
  });
});
