import { type DType, invariant } from "@snoopi/core";

/** One input of a kernel: how it is named in WGSL, and how many elements one read gives. */
export interface Input {
  readonly name: string;
  /** 1: `name_at(i)` gives one element; 4: `name_at4(i)` gives elements 4i … 4i+3. */
  readonly width: 1 | 4;
}

/** A number passed at every launch. u32 unless it says f32. */
export type Param = string | readonly [name: string, type: "f32" | "i32"];

/** A WGSL shader: the header (types, constants, bindings) is generated, the body is verbatim. */
export interface Kernel {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly outWidth: 1 | 4;
  /** Further results: arrays of these names, of numbers or of vectors of four. */
  readonly extras?: readonly Input[];
  readonly params: readonly Param[];
  /** Uses `enable subgroups`. */
  readonly subgroups?: boolean;
  /** A user's kernel: compile errors are reported to its author. */
  readonly foreign?: boolean;
  readonly body: string;
}

/** The register type of each element type. f16 exists in storage only; bool is a word. */
export const registerOf: Readonly<Record<DType, "f32" | "i32" | "u32">> = {
  f32: "f32",
  f16: "f32",
  f64: "f32",
  i32: "i32",
  u32: "u32",
  bool: "u32",
};

const vectorOf = { f32: "vec4f", i32: "vec4i", u32: "vec4u" } as const;

function declareInput({ name, width }: Input, dtype: DType, binding: number): string {
  const t = registerOf[dtype];
  const half = dtype === "f16";
  const bind = (type: string) => `@group(0) @binding(${binding}) var<storage, read> ${name}_data: array<${type}>;\n`;
  if (width === 1) {
    const read = half ? `unpack2x16float(${name}_data[i >> 1u])[i & 1u]` : `${name}_data[i]`;
    return `${bind(half ? "u32" : t)}fn ${name}_at(i: u32) -> ${t} { return ${read}; }`;
  }
  const read = half ? `let h = ${name}_data[i]; return vec4f(unpack2x16float(h.x), unpack2x16float(h.y));` : `return ${name}_data[i];`;
  return `${bind(half ? "vec2u" : vectorOf[t])}fn ${name}_at4(i: u32) -> ${vectorOf[t]} { ${read} }`;
}

/**
 * The whole shader: header for these element types and constants, then the body. `T` is the output's register type. `dtypes` are those of the
 * inputs and, where they are not f32, of the further results.
 */
export function source(kernel: Kernel, dtypes: readonly DType[], out: DType, consts: Readonly<Record<string, number>>): string {
  invariant(out !== "f16" || kernel.outWidth === 4, `kernel ${kernel.name} cannot store f16 one element at a time`);
  const t = registerOf[out];
  const n = kernel.inputs.length;
  const extras = kernel.extras ?? [];
  const outType = out === "f16" ? "vec2u" : kernel.outWidth === 4 ? vectorOf[t] : t;
  return [
    ...(kernel.subgroups ? ["enable subgroups;"] : []),
    `alias T = ${t};`,
    ...Object.entries(consts).map(([name, value]) => `const ${name} = ${value}u;`),
    `struct Params { ${kernel.params.map((p) => (typeof p === "string" ? `${p}: u32` : `${p[0]}: ${p[1]}`)).join(", ") || "unused: u32"} }`,
    ...kernel.inputs.map((input, i) => declareInput(input, dtypes[i], i)),
    `@group(0) @binding(${n}) var<storage, read_write> out: array<${outType}>;`,
    ...extras.map(({ name, width }, i) => {
      const type = registerOf[dtypes[n + i] ?? "f32"];
      return `@group(0) @binding(${n + 1 + i}) var<storage, read_write> ${name}: array<${width === 4 ? vectorOf[type] : type}>;`;
    }),
    `@group(0) @binding(${n + 1 + extras.length}) var<uniform> P: Params;`,
    kernel.body,
  ].join("\n");
}

/** Writes parameters as the struct lays them out: one word each, in order. */
export function writeParams(kernel: Kernel, values: Readonly<Record<string, number>>, into: DataView, at: number): void {
  kernel.params.forEach((param, i) => {
    const [name, type] = typeof param === "string" ? [param, "u32" as const] : param;
    const value = values[name];
    invariant(value !== undefined, `kernel ${kernel.name} was launched without ${name}`);
    if (type === "f32") into.setFloat32(at + 4 * i, value, true);
    else into.setInt32(at + 4 * i, value, true);
  });
}

/** How many workgroups: one number, which is folded over two dimensions, or the number in each dimension. */
export type Groups = number | readonly [x: number, y: number, z: number];

/** WebGPU's limit of workgroups in each dimension. */
export const mostGroups = 65535;

/** Workgroups over up to two dimensions: WebGPU allows 65,535 in each. Kernels number them `y · grid.x + x`, and ignore the surplus. */
export function fold(groups: number): [x: number, y: number] {
  if (groups <= mostGroups) return [groups, 1];
  const y = Math.ceil(groups / mostGroups);
  return [Math.ceil(groups / y), y];
}

/** Workgroups in each dimension. */
export const gridOf = (groups: Groups): readonly [x: number, y: number, z: number] =>
  typeof groups === "number" ? [...fold(groups), 1] : groups;

export const isEmpty = (groups: Groups): boolean => (typeof groups === "number" ? groups === 0 : groups.includes(0));
