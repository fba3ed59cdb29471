import { bytesOf, type DType, OpError, type Shape, type Spec, show, sizeOf } from "@snoopi/core";
import { type Groups, type Input, isEmpty, mostGroups, type Param } from "./kernel.ts";

// Checks of a user's kernel before a compiler sees it.

/** Most storage buffers of a kernel (WebGPU's default limit), and most words of parameters (the size of this library's slots). */
const [mostArrays, mostParams] = [8, 128];

/** Names that the printed header takes. */
const taken = new Set(["out", "T", "P", "Params", "main"]);

export interface Declaration {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly extras: readonly string[];
  readonly params: readonly Param[];
  readonly wgsl: string;
}

export const nameOf = (param: Param): string => (typeof param === "string" ? param : param[0]);

/** @throws OpError when names clash, there are too many of anything, or the body cannot be a kernel. */
export function checkDeclaration({ name, inputs, extras, params, wgsl }: Declaration): void {
  const arrays = [...inputs.map((x) => x.name), ...extras];
  const names = params.map(nameOf);
  if (inputs.length === 0) throw new OpError(name, "takes no tensor, so it runs nowhere", "Name an input.");
  for (const own of [...arrays, ...names]) {
    if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(own)) throw new OpError(name, `"${own}" is no name in WGSL`, "Use letters, digits and _.");
  }
  for (const own of arrays) {
    if (taken.has(own)) throw new OpError(name, `"${own}" is printed above every kernel`, "Choose another name.");
  }
  for (const own of [arrays, names]) {
    const twice = own.find((x, i) => own.indexOf(x) < i);
    if (twice) throw new OpError(name, `"${twice}" stands for two things`, "Give each a name of its own.");
  }
  if (arrays.length + 1 > mostArrays)
    throw new OpError(name, `reads and writes ${arrays.length + 1} arrays, and WebGPU allows ${mostArrays}`, "Pack some of them into one.");
  if (names.length > mostParams) throw new OpError(name, `takes ${names.length} numbers, and ${mostParams} fit`, "Pass them as a tensor.");
  const code = wgsl.replace(/\/\/.*$/gm, "");
  if (!/@compute\b/.test(code) || !/\bfn\s+main\b/.test(code))
    throw new OpError(name, "the WGSL has no entry point", "Write @compute @workgroup_size(64) fn main(…).");
  if (/@binding\b/.test(code))
    throw new OpError(name, "the WGSL declares bindings of its own", "Inputs, extras, out and P are declared above it.");
}

/** @throws OpError when `infer` gave no valid shape and type. Extras cannot be f16, of which two would share a word. */
export function checkSpec(name: string, spec: Spec, extra?: string): Spec {
  const what = extra ? `the extra "${extra}"` : "the result";
  const sizes: Shape | undefined = spec?.shape;
  if (!Array.isArray(sizes) || !sizes.every((d) => Number.isInteger(d) && d >= 0))
    throw new OpError(name, `the shape of ${what} is ${Array.isArray(sizes) ? show(sizes) : typeof sizes}`, "Give an array of sizes.");
  if (!Object.hasOwn(bytesOf, spec.dtype))
    throw new OpError(name, `the type of ${what} is "${spec.dtype}"`, `Use one of ${Object.keys(bytesOf).join(", ")}.`);
  if (extra && spec.dtype === ("f16" satisfies DType)) throw new OpError(name, `${what} is f16`, "Use f32 for further results.");
  return spec;
}

/** @throws OpError when a launch leaves a parameter out, has one too many, or no workgroups. */
export function checkLaunch<L extends { readonly workgroups: Groups; readonly params?: Readonly<Record<string, number>> }>(
  name: string,
  params: readonly Param[],
  launch: L,
  out: Spec,
): L {
  const { workgroups, params: given = {} } = launch;
  const sizes = typeof workgroups === "number" ? [workgroups] : workgroups;
  const most = typeof workgroups === "number" ? mostGroups ** 2 : mostGroups;
  if (!Array.isArray(sizes) || !sizes.every((n) => Number.isInteger(n) && n >= 0 && n <= most) || ![1, 3].includes(sizes.length))
    throw new OpError(name, `is launched with workgroups ${show(sizes ?? [])}`, `Give a whole number, or three up to ${mostGroups}.`);
  if (isEmpty(workgroups) && sizeOf(out.shape) > 0)
    throw new OpError(name, `is launched with no workgroups and has ${sizeOf(out.shape)} elements to write`);
  const names = params.map(nameOf);
  for (const param of names) {
    if (typeof given[param] !== "number") throw new OpError(name, `is launched without its parameter "${param}"`);
  }
  for (const param of Object.keys(given)) {
    if (!names.includes(param)) throw new OpError(name, `is launched with "${param}", which is none of its params`, "Declare it.");
  }
  for (const param of params) {
    const value = given[nameOf(param)];
    const type = typeof param === "string" ? "u32" : param[1];
    const [low, high] = type === "u32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    if (type !== "f32" && !(Number.isInteger(value) && value >= low && value <= high))
      throw new OpError(name, `its parameter "${nameOf(param)}" is ${value} and its type ${type}`);
  }
  return launch;
}
