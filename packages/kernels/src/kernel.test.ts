import type { DType } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fold, type Kernel, source, writeParams } from "./kernel.ts";

const kernel = (changes: Partial<Kernel> = {}): Kernel => ({
  name: "sample",
  inputs: [],
  outWidth: 1,
  params: ["n"],
  body: "// the body",
  ...changes,
});

test("folded groups cover every group with fewer than one row of surplus, within the limit in each dimension", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (groups) => {
      const [x, y] = fold(groups);
      expect(Math.max(x, y)).toBeLessThanOrEqual(65535);
      expect(x * y).toBeGreaterThanOrEqual(groups);
      expect(x * y - groups).toBeLessThan(y);
    }),
  );
  expect([fold(1), fold(65535), fold(65536)]).toEqual([
    [1, 1],
    [65535, 1],
    [32768, 2],
  ]);
});

test("parameters are one little-endian word each in declared order, from where they are to be written", () => {
  const words = new DataView(new ArrayBuffer(24));
  const declared = kernel({ params: ["count", ["scale", "f32"], ["shift", "i32"], "largest"] });
  writeParams(declared, { shift: -3, largest: 2 ** 32 - 1, scale: 0.1, count: 7 }, words, 4);
  expect(words.getUint32(0, true)).toBe(0);
  expect(words.getUint32(4, true)).toBe(7);
  expect(words.getFloat32(8, true)).toBe(Math.fround(0.1));
  expect(words.getInt32(12, true)).toBe(-3);
  expect(words.getUint32(16, true)).toBe(2 ** 32 - 1);
  expect(source(declared, [], "f32", {})).toContain("struct Params { count: u32, scale: f32, shift: i32, largest: u32 }");
});

test("a launch that leaves a parameter out is refused by name", () => {
  expect(() => writeParams(kernel({ params: ["rows", "columns"] }), { rows: 1 }, new DataView(new ArrayBuffer(8)), 0)).toThrow(
    "kernel sample was launched without columns. This is a bug in snoopi",
  );
});

test("a kernel without parameters still declares a struct, which WGSL demands", () => {
  expect(source(kernel({ params: [] }), [], "f32", {})).toContain("struct Params { unused: u32 }");
});

test("inputs, output and parameters are bound in that order, and constants and subgroups are declared", () => {
  const code = source(
    kernel({
      subgroups: true,
      inputs: [
        { name: "a", width: 1 },
        { name: "b", width: 4 },
      ],
    }),
    ["f32", "i32"],
    "u32",
    { R: 8, MASK: 0 },
  );
  expect(code.split("\n")[0]).toBe("enable subgroups;");
  expect(code).toContain("const R = 8u;\nconst MASK = 0u;");
  expect(code).toContain("@group(0) @binding(0) var<storage, read> a_data: array<f32>;");
  expect(code).toContain("@group(0) @binding(1) var<storage, read> b_data: array<vec4i>;");
  expect(code).toContain("@group(0) @binding(2) var<storage, read_write> out: array<u32>;");
  expect(code).toContain("@group(0) @binding(3) var<uniform> P: Params;");
  expect(code.endsWith("// the body")).toBe(true);
});

test.each<[DType, 1 | 4, string, string]>([
  ["f32", 1, "array<f32>", "fn x_at(i: u32) -> f32 { return x_data[i]; }"],
  ["f32", 4, "array<vec4f>", "fn x_at4(i: u32) -> vec4f { return x_data[i]; }"],
  ["i32", 1, "array<i32>", "fn x_at(i: u32) -> i32 { return x_data[i]; }"],
  ["u32", 4, "array<vec4u>", "fn x_at4(i: u32) -> vec4u { return x_data[i]; }"],
  ["bool", 1, "array<u32>", "fn x_at(i: u32) -> u32 { return x_data[i]; }"],
  ["f16", 1, "array<u32>", "fn x_at(i: u32) -> f32 { return unpack2x16float(x_data[i >> 1u])[i & 1u]; }"],
  ["f16", 4, "array<vec2u>", "fn x_at4(i: u32) -> vec4f { let h = x_data[i]; return vec4f(unpack2x16float(h.x), unpack2x16float(h.y)); }"],
])("%s read %i at a time is stored as %s", (dtype, width, type, accessor) => {
  const code = source(kernel({ inputs: [{ name: "x", width }] }), [dtype], "f32", {});
  expect(code).toContain(`var<storage, read> x_data: ${type};`);
  expect(code).toContain(accessor);
});

test.each<[DType, 1 | 4, string, string]>([
  ["f32", 1, "f32", "array<f32>"],
  ["f32", 4, "f32", "array<vec4f>"],
  ["bool", 1, "u32", "array<u32>"],
  ["i32", 4, "i32", "array<vec4i>"],
  ["f16", 4, "f32", "array<vec2u>"],
])("%s written %i at a time makes T %s and the output %s", (dtype, outWidth, register, type) => {
  const code = source(kernel({ outWidth }), [], dtype, {});
  expect(code).toContain(`alias T = ${register};`);
  expect(code).toContain(`var<storage, read_write> out: ${type};`);
});

test("f16 cannot be stored one element at a time, since two share a word", () => {
  expect(() => source(kernel(), [], "f16", {})).toThrow("kernel sample cannot store f16 one element at a time");
});
