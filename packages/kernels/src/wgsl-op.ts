import { apply, applyAll, type DType, isTensor, type Op, OpError, type Spec, type Tensor, type Value } from "@snoopi/core";
import type { WebGpuDevice } from "./backend.ts";
import { bindable, bindDense } from "./binding.ts";
import type { Groups, Input, Kernel, Param } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { checkDeclaration, checkLaunch, checkSpec } from "./wgsl-op-checks.ts";

/** The numbers of one launch. */
export interface WgslLaunch {
  /**
   * How many workgroups: `[x, y, z]`, at most 65,535 in each dimension, or one number, which is folded over two of them. Kernels then number
   * them `group.y * grid.x + group.x`, with `@builtin(workgroup_id)` and `@builtin(num_workgroups)`, and ignore the surplus.
   */
  readonly workgroups: Groups;
  /** The values of `params`. */
  readonly params?: Readonly<Record<string, number>>;
}

/** An op whose kernel is given as WGSL. `A` is the type of a call's attributes, passed after its tensors. */
export interface WgslOp<A = void> {
  /** Named in errors, estimates and captured programs. */
  readonly name: string;
  /** Names of the tensors. The body reads `name_at(i)`, element i in row-major order; of `{ name, width: 4 }`, `name_at4(i)`: elements 4i … 4i+3. */
  readonly inputs: readonly (string | Input)[];
  /** The result's shape and type. Throws `OpError` where a call is wrong. */
  infer(inputs: readonly Spec[], attrs: A): Spec;
  /** Further results: arrays of these names. No gradient flows through them. */
  readonly extras?: Readonly<Record<string, (inputs: readonly Spec[], attrs: A) => Spec>>;
  /** Numbers that the body reads as `P.name`: u32, or `["name", "f32"]`, `["name", "i32"]`. */
  readonly params?: readonly Param[];
  launch(inputs: readonly Spec[], attrs: A): WgslLaunch;
  /**
   * An entry point `main` and what it calls. It assigns every element of `out`, whose elements are of type `T`, and of the extras. f16 is read
   * and written as f32, booleans as u32.
   */
  readonly wgsl: string;
  /** What the op means, for the CPU and for gradient checks in f64. Without it the op runs on a GPU only. */
  reference?(inputs: readonly Value[], attrs: A, out: Value, extras: readonly Value[]): void;
  /** Floating-point operations of a call. Default one per element of the result. */
  cost?(inputs: readonly Spec[], attrs: A, out: Spec): number;
}

type Args<A> = A extends void ? Tensor[] : [...inputs: Tensor[], attrs: A];

/** What a recorded call carries: launch numbers included, so that a captured program knows when one changed. */
interface Recorded<A> extends WgslLaunch {
  readonly attrs: A;
  /** Digest that tells kernels of the same name apart. */
  readonly wgsl: string;
}

interface OpWithKernel<A> extends Op<Recorded<A>> {
  readonly kernel: Kernel;
  readonly lowering: Lowering<Recorded<A>>;
}

const hasKernel = (op: object): op is OpWithKernel<unknown> => "lowering" in op;

/** The lowering that an op brings along. */
export const ownLowering = (op: Op<any>): Lowering | undefined => (hasKernel(op) ? op.lowering : undefined);

/** The kernel that a call of such an op needs, and its element types: those of inputs and extras, and that of the result. */
export function variantOf(op: object, inputs: readonly Spec[], attrs: unknown, out: Spec): [Kernel, readonly DType[], DType] | undefined {
  if (!hasKernel(op)) return undefined;
  const dtypes = [...inputs, ...(op.extras?.(inputs, attrs as Recorded<unknown>) ?? [])].map((s) => s.dtype);
  // Results in f16 are packed by a copy.
  return [op.kernel, dtypes, out.dtype === "f16" ? "f32" : out.dtype];
}

/**
 * Makes an op of a WGSL kernel: a function of tensors, and of `attrs` where the op takes any, recorded like every other. It has no
 * gradient: give it one with `customVjp`, from another such op or from any ops. With `extras` it returns an array, the result first.
 *
 * A compile error rejects the first read or `realize` of a result, before anything runs, and names line and column.
 * @throws OpError when the declaration contradicts itself, or a call does not fit it
 */
export function wgslOp<A = void>(
  declared: WgslOp<A> & { readonly extras: Readonly<Record<string, unknown>> },
): (...args: Args<A>) => Tensor[];
export function wgslOp<A = void>(declared: WgslOp<A>): (...args: Args<A>) => Tensor;
export function wgslOp<A>(declared: WgslOp<A>): (...args: Args<A>) => Tensor | Tensor[] {
  const { name, params = [], extras } = declared;
  const inputs = declared.inputs.map((x): Input => (typeof x === "string" ? { name: x, width: 1 } : x));
  const further = Object.entries(extras ?? {});
  checkDeclaration({ ...declared, inputs, params, extras: further.map(([extra]) => extra) });
  const kernel: Kernel = {
    name,
    inputs,
    outWidth: 1,
    extras: further.map(([extra]) => ({ name: extra, width: 1 })),
    params,
    foreign: true,
    body: declared.wgsl,
  };
  const op: OpWithKernel<A> = {
    name,
    kernel,
    infer: (specs, { attrs }) => checkSpec(name, declared.infer(specs, attrs)),
    ...(extras && { extras: (specs, { attrs }) => further.map(([extra, of]) => checkSpec(name, of(specs, attrs), extra)) }),
    reference(values, { attrs }, out, rest) {
      if (!declared.reference) throw withoutReference(name);
      declared.reference(values, attrs, out, rest);
    },
    vjp() {
      throw new OpError(name, "is WGSL and has no gradient", "Give it one with customVjp.");
    },
    ...(declared.cost && { cost: (specs, { attrs }, out) => (declared.cost as NonNullable<WgslOp<A>["cost"]>)(specs, attrs, out) }),
    lowering: {
      accepts: (_, lies) => bindable(lies),
      launch: ({ inputs, out, extras, attrs: { workgroups, params = {} } }) => [
        { kernel, inputs: inputs.map(bindDense), out: bindDense(out), extras: extras.map(bindDense), params, groups: workgroups },
      ],
    },
  };
  const wgsl = digest([...inputs.map((x) => x.name), declared.wgsl].join("\n"));
  return (...args) => {
    const tensors = args.slice(0, inputs.length) as Tensor[];
    if (args.length < inputs.length || args.length > inputs.length + 1 || !tensors.every(isTensor)) {
      const names = inputs.map((x) => x.name).join(", ");
      throw new OpError(name, `takes ${inputs.length} tensors (${names}) and then its attrs, got ${args.length} arguments`);
    }
    const attrs = args[inputs.length] as A;
    const [{ device }] = tensors;
    if (!declared.reference && device.name === "cpu") throw withoutReference(name);
    const specs = tensors.map(({ shape, dtype }) => ({ shape, dtype }));
    const out = checkSpec(name, declared.infer(specs, attrs));
    const launch = checkLaunch(name, params, declared.launch(specs, attrs), out);
    const recorded: Recorded<A> = { attrs, ...launch, wgsl };
    const results = extras ? applyAll(op, tensors, recorded) : apply(op, tensors, recorded);
    const variant = variantOf(op, specs, recorded, out);
    if (variant) (device as Partial<WebGpuDevice>).compile?.(...variant);
    return results;
  };
}

const withoutReference = (name: string): OpError =>
  new OpError(name, "runs on a GPU only, and the tensors are on the CPU", "Give it a reference, or use a WebGPU device.");

/** FNV-1a. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16);
}
