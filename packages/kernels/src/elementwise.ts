import { collapsed, type DType, type Expression, type Operand, sizeOf, type Term } from "@snoopi/core";
import { bindStretch, fits } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";
import { type Kernel, type Param, registerOf } from "./kernel.ts";
import { prelude, wgslOver } from "./wgsl.ts";

/** Threads of a workgroup: as many as every device allows. */
const threads = 256;

const kernels = new Map<string, Kernel>();

/**
 * The launches that evaluate an expression at every element of `out`: one, unless an operand is too large for a binding; then the
 * outermost axis is halved until each part fits. `part` says that `out` is only part of its storage, whose other elements must stay.
 */
export function elementwiseLaunches(
  facts: Facts,
  expression: Expression,
  inputs: readonly Operand[],
  out: Operand,
  { part = false }: { readonly part?: boolean } = {},
): Launch[] {
  const limit = facts.maxBindingBytes;
  if ([out, ...inputs].every((x) => fits(x, limit))) return [launchOf(limit, expression, inputs, out, part)];
  const { shape } = out.layout;
  const axis = shape.findIndex((d) => d > 1);
  // f16 is stored four at a time: see packs.
  const middle = out.dtype === "f16" ? Math.ceil(shape[axis] / 8) * 4 : Math.ceil(shape[axis] / 2);
  return [
    [0, middle],
    [middle, shape[axis]],
  ].flatMap(([from, to]) => {
    const cut = ({ layout, ...x }: Operand): Operand => ({
      ...x,
      layout: {
        strides: layout.strides,
        shape: shape.map((d, i) => (i === axis ? to - from : d)),
        offset: layout.offset + from * layout.strides[axis],
      },
    });
    return elementwiseLaunches(facts, expression, inputs.map(cut), cut(out), { part: true });
  });
}

/**
 * Whether an f16 result can be stored directly. A word holds two elements, so it is written four at a time, which the operands' layouts may
 * rule out: then the result is computed in f32 first and packed from there, as one axis.
 */
export function packs({ maxBindingBytes }: Facts, inputs: readonly Operand[], out: Operand): boolean {
  const all = [out, ...inputs];
  const { shape, strides } = collapsed(
    out.layout.shape,
    all.map((x) => x.layout.strides),
  );
  return all.every((x) => fits(x, maxBindingBytes)) && vectorizes(shape, strides, all, false);
}

/**
 * An input in the result's own storage (at most one, with the result's layout) is read through `out`: a buffer that is written cannot be
 * bound twice.
 *
 * The kernel is assembled: the formula printed, with as many axes as remain once contiguous ones are merged. Four elements per thread where
 * the innermost axis allows it.
 */
function launchOf(limit: number, { term, constants }: Expression, inputs: readonly Operand[], out: Operand, part: boolean): Launch {
  const all = [out, ...inputs];
  const { shape, strides } = collapsed(
    out.layout.shape,
    all.map((x) => x.layout.strides),
  );
  const width = vectorizes(shape, strides, all, part) ? 4 : 1;
  const last = shape.length - 1;
  const widths = strides.map((s): 1 | 4 => (width === 4 && s[last] === 1 ? 4 : 1));
  const quads = Math.ceil(shape[last] / width);
  const params: Record<string, number> = { n: sizeOf(shape.slice(0, -1)) * quads };
  shape.forEach((d, axis) => {
    params[`d${axis}`] = axis === last ? quads : d;
  });
  const walks: Walk[] = [];
  const bounds = all.map((x, k) => {
    const { bound, first } = bindStretch(x, limit);
    const offset = (x.layout.offset - first) / widths[k];
    // Steps count reads: one per four elements where a read gives four.
    const steps = strides[k].map((s, axis) => (axis === last ? (widths[k] === 4 ? 1 : s * width) : s / widths[k]));
    params[`o${k}`] = offset;
    steps.forEach((step, axis) => {
      params[`s${k}_${axis}`] = step;
    });
    walks.push({ width: widths[k], offset: offset !== 0, steps: steps.map((step) => (step === 0 ? "none" : step === 1 ? "one" : "some")) });
    return bound;
  });
  const over = inputs.findIndex((x) => x.storage === out.storage);
  const key = `${over}:${width}:${walks.map((w) => `${w.width}${w.offset}${w.steps}`).join(";")}:${print(term)}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    kernel = assemble(term, constantTypes(term), width, walks, over);
    kernels.set(key, kernel);
  }
  constants.forEach((c, i) => {
    params[`c${i}`] = c;
  });
  const [result, ...read] = bounds;
  return { kernel, inputs: read.filter((_, k) => k !== over), out: result, params, groups: Math.ceil(params.n / threads) };
}

/** Whether `out` can be written four elements at a time. */
function vectorizes(shape: readonly number[], strides: readonly (readonly number[])[], all: readonly Operand[], part: boolean): boolean {
  const last = shape.length - 1;
  const whole = shape[last] % 4 === 0;
  return strides.every((s, k) => {
    const x = all[k];
    const steps = s.slice(0, last).every((v) => v % 4 === 0) && x.layout.offset % 4 === 0;
    if (s[last] === 0) return k > 0 || (x.dtype === "f16" && x.layout.offset === 0); // the same element four times
    // A single axis may end in fewer than four elements where its buffer ends: blocks are rounded up, so nothing else is there. f16 is
    // never part of a larger result, and is cut at multiples of four.
    const ends = all[0].dtype === "f16" || (!part && x.layout.offset === 0);
    return s[last] === 1 && steps && (whole || (shape.length === 1 && ends));
  });
}

function print(term: Term): string {
  if (term.kind === "input") return `i${term.index}:${term.dtype}`;
  if (term.kind === "constant") return `c${term.index}:${term.dtype}`;
  return `${term.op.name}:${term.dtype}(${term.args.map(print).join()})`;
}

/**
 * How a kernel walks an operand, as far as its text depends on it: elements per read, whether there is an offset, the step along each axis.
 */
interface Walk {
  readonly width: 1 | 4;
  readonly offset: boolean;
  readonly steps: readonly ("none" | "one" | "some")[];
}

/** The types of an expression's constants, in order. */
function constantTypes(term: Term): DType[] {
  if (term.kind === "constant") return [term.dtype];
  return term.kind === "call" ? term.args.flatMap(constantTypes) : [];
}

/** A constant's parameter type: integers stay integers, since f32 does not hold all of them. */
const paramOf = (dtype: DType): "f32" | "i32" | "u32" => (dtype === "bool" ? "f32" : registerOf[dtype]);

function assemble(term: Term, constants: readonly DType[], width: 1 | 4, walks: readonly Walk[], over: number): Kernel {
  const rank = walks[0].steps.length;
  const widths = walks.slice(1).map((w) => w.width);
  const numbers = (name: string) => Array.from({ length: rank }, (_, axis) => `${name}${axis}`);
  const params: Param[] = ["n", ...numbers("d")];
  for (const k of walks.keys()) params.push(`o${k}`, ...numbers(`s${k}_`));
  constants.forEach((dtype, i) => {
    const type = paramOf(dtype);
    params.push(type === "u32" ? `c${i}` : [`c${i}`, type]);
  });

  const lines: string[] = [];
  let results = 0;
  for (let axis = rank - 1; axis >= 0; axis--) {
    lines.push(axis === 0 ? "let i0 = rest;" : `let i${axis} = rest % P.d${axis}; rest /= P.d${axis};`);
  }
  // Index multiplications are slow on a software adapter, so steps of 0 and 1 take none.
  const place = (k: number) => {
    const { offset, steps } = walks[k];
    const terms = steps.flatMap((step, axis) => (step === "none" ? [] : [step === "one" ? `i${axis}` : `i${axis} * P.s${k}_${axis}`]));
    return [...(offset ? [`P.o${k}`] : []), ...terms].join(" + ") || "0u";
  };
  widths.forEach((w, k) => {
    const read = w === 4 ? `x${k}_at4(${place(k + 1)})` : `x${k}_at(${place(k + 1)})`;
    lines.push(`let v${k} = ${k === over ? `out[${place(0)}]` : read};`);
  });
  const { code } = evaluate(term, width);
  const store = term.dtype === "f16" ? `packed4(${code})` : code;
  const body = `${prelude}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  var rest = (group.y * grid.x + group.x) * ${threads}u + lane;
  if (rest >= P.n) { return; }
  ${lines.join("\n  ")}
  out[${place(0)}] = ${store};
}`;
  return {
    name: `elementwise ${print(term)}`.slice(0, 200),
    inputs: widths.flatMap((w, k) => (k === over ? [] : [{ name: `x${k}`, width: w }])),
    outWidth: width,
    params,
    body,
  };

  /** The WGSL of a term and the register type it has. */
  function evaluate(t: Term, lanes: 1 | 4): { code: string; register: "f32" | "i32" | "u32" } {
    const register = registerOf[t.dtype];
    const vector = (type: string) => (lanes === 4 ? `vec4<${type}>` : type);
    if (t.kind === "input")
      return { code: lanes === 4 && widths[t.index] === 1 ? `${vector(register)}(v${t.index})` : `v${t.index}`, register };
    if (t.kind === "constant")
      return { code: `${vector(register)}(${convertFrom(paramOf(t.dtype), t.dtype, `P.c${t.index}`, 1)})`, register };
    const meet = computeType(t);
    const args = t.args.map((a) => {
      const from = evaluate(a, lanes);
      return from.register === meet ? from.code : `${vector(meet)}(${from.code})`;
    });
    // Named, since a formula may use an operand many times: repeating its text would grow exponentially with nesting.
    const name = `t${results++}`;
    lines.push(`let ${name} = ${convertFrom(meet, t.dtype, t.op.formula(wgslOver(meet, lanes), args), lanes)};`);
    return { code: name, register };
  }
}

/** The register type a formula is computed in: f32 if its result is a float, unless it is a cast; otherwise its operands' common type. */
function computeType(t: Term & { kind: "call" }): "f32" | "i32" | "u32" {
  const types = t.args.map((a) => registerOf[a.dtype]);
  if (registerOf[t.dtype] === "f32" && t.op.name !== "cast") return "f32";
  return types.includes("f32") ? "f32" : types.includes("i32") ? "i32" : "u32";
}

/** Converts a value of a register type to an element of `to`. f16 results are rounded at once, as if they had been stored. */
function convertFrom(register: "f32" | "i32" | "u32", to: DType, code: string, lanes: 1 | 4): string {
  const vector = (type: string) => (lanes === 4 ? `vec4<${type}>` : type);
  if (to === "bool") return `select(${vector("u32")}(1u), ${vector("u32")}(0u), ${code} == ${vector(register)}(0))`;
  const target = registerOf[to];
  const whole = register === "f32" && target !== "f32";
  const value = target === register ? code : whole ? `${target}of${lanes}(${code})` : `${vector(target)}(${code})`;
  return to === "f16" ? `half${lanes}(${value})` : value;
}
