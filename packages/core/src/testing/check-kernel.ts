import { createCpu } from "../cpu.ts";
import { fromData } from "../create.ts";
import type { Device } from "../device.ts";
import { convert, type DType, type TypedArray } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import { type AnyOp, isElementwise, isView, type Op, type Value } from "../op.ts";
import { checkOptions } from "../options.ts";
import { data } from "../realize.ts";
import { scope } from "../scope.ts";
import { type Shape, show } from "../shape.ts";
import { apply, applyAll, type Tensor } from "../tensor.ts";
import { type ElementBound, elementwiseBound, linearBound } from "./bound.ts";

/** An input of a call: makes the same tensor on any device, in any layout. */
export type KernelInput = (device: Device) => Tensor;

export interface KernelCheckOptions<A> {
  /**
   * Most that an element may differ from the reference, of which `out` is result number `result`: 0, or from 1 on a further one. Default:
   * {@link elementwiseBound} for elementwise ops, nothing for views and for results that are not floats, and {@link linearBound} for all
   * else, which is right for sums of products.
   */
  readonly bound?: (inputs: readonly Value[], attrs: A, out: Value, result: number) => ElementBound;
}

/**
 * Checks that `device` computes what the op's reference says, on one call: its result and all further ones.
 * @throws SnoopiError naming the call and the first element that is too far off
 */
export async function checkKernel<A>(
  device: Device,
  op: AnyOp,
  { inputs, attrs }: { readonly inputs: readonly KernelInput[]; readonly attrs: A },
  options: KernelCheckOptions<A> = {},
): Promise<void> {
  checkOptions("checkKernel", options, { bound: true });
  const cpu = createCpu();
  await scope(async (s) => {
    const views = s.run(() => inputs.map((make) => make(cpu)));
    const values: Value[] = await Promise.all(views.map(async (t) => ({ shape: t.shape, dtype: t.dtype, data: await data(t) })));
    const plain = s.run(() => values.map((v) => fromData(hosted(v.data, v.dtype), { shape: v.shape, dtype: v.dtype, device: cpu })));
    const reference = s.run(() => resultsOf(op, plain, attrs, cpu));
    const results = s.run(() =>
      resultsOf(
        op,
        inputs.map((make) => make(device)),
        attrs,
        device,
      ),
    );
    for (const [index, { shape, dtype }] of reference.entries()) {
      const out: Value = { shape, dtype, data: await data(reference[index]) };
      const result = await data(results[index]);
      const limit = boundOf(op, values, attrs, { out, index, ...options });
      for (let i = 0; i < out.data.length; i++) {
        const [got, want] = [result[i], out.data[i]];
        if (Object.is(got, want) || got === want || Math.abs(got - want) <= limit(i)) continue;
        const call = `${op.name}(${values.map((v) => `${v.dtype} ${show(v.shape)}`).join(", ")})`;
        throw new SnoopiError(
          `checkKernel: element ${show(placeOf(i, shape))} of ${index > 0 ? `result ${index} of ` : ""}${call} with ${JSON.stringify(attrs) ?? "no attributes"} is ${got} on ${device.name} and ${want} by the reference, more than ${limit(i)} apart.`,
        );
      }
    }
  });
}

const resultsOf = <A>(op: AnyOp, inputs: readonly Tensor[], attrs: A, device: Device): Tensor[] =>
  isView(op) ? [apply(op, inputs, attrs, device)] : applyAll(op, inputs, attrs, device);

function boundOf<A>(
  op: AnyOp,
  inputs: readonly Value[],
  attrs: A,
  { bound, out, index }: KernelCheckOptions<A> & { readonly out: Value; readonly index: number },
): ElementBound {
  if (bound) return bound(inputs, attrs, out, index);
  if (isView(op) || inputs.length === 0) return () => 0;
  return isElementwise(op) ? elementwiseBound(op, inputs, out) : linearBound(op as Op<A>, inputs, attrs, out, index);
}

const hosted = (data: Value["data"], dtype: DType): TypedArray => (dtype === "f16" ? convert("f32", data, "f16") : data);

function placeOf(i: number, shape: Shape): number[] {
  let rest = i;
  return shape
    .toReversed()
    .map((d) => {
      const at = rest % d;
      rest = Math.floor(rest / d);
      return at;
    })
    .reverse();
}
