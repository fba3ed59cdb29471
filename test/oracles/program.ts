import {
  abs,
  broadcastTo,
  cast,
  concat,
  type Device,
  type DType,
  exp,
  fromData,
  less,
  matmul,
  maximum,
  permute,
  reshape,
  type Shape,
  scope,
  show,
  sigmoid,
  sizeOf,
  slice,
  softmax,
  sum,
  type Tensor,
  tanh,
  transpose,
  where,
} from "@snoopi/core";
import { scattered } from "@snoopi/core/testing";
import fc from "fast-check";

/** One step: computes a tensor from those before it. */
interface Step {
  readonly says: string;
  run(before: readonly Tensor[]): Tensor;
}

/** Inputs, and steps of which each may read anything before it. The last step's value is the program's. */
export interface Program {
  readonly inputs: readonly Shape[];
  readonly steps: readonly Step[];
}

/** The inputs of a program, from a seed. */
export const startOf = ({ inputs }: Program, seed: number, dtype: DType, device: Device): Tensor[] =>
  inputs.map((shape, i) => {
    const values = scattered(sizeOf(shape), seed + i, -1, 1);
    return fromData(dtype === "f64" ? values : Float32Array.from(values), { shape, dtype, device });
  });

export function runProgram({ steps }: Program, inputs: readonly Tensor[]): Tensor {
  const made = [...inputs];
  for (const step of steps) made.push(step.run(made));
  return made[made.length - 1];
}

/** Every value stays of size one or so, whatever is composed: steps that could grow are tamed. */
const tame = (x: Tensor): Tensor => tanh(x);

const pointwise: readonly [string, (x: Tensor) => Tensor][] = [
  ["neg", (x) => x.neg()],
  ["tanh", tanh],
  ["sigmoid", sigmoid],
  ["exp∘−|x|", (x) => exp(abs(x).neg())],
  ["x·x", (x) => x.mul(x).mul(0.5)],
  ["1−x/3", (x) => x.div(-3).add(1)],
  ["as bool", (x) => x.mul(cast(less(x, 2), x.dtype))],
];
const combining: readonly [string, (a: Tensor, b: Tensor) => Tensor][] = [
  ["add", (a, b) => a.add(b).mul(0.5)],
  ["mul", (a, b) => a.mul(b)],
  ["sub", (a, b) => a.sub(b).mul(0.5)],
  ["maximum", (a, b) => maximum(a, b.add(0.01))],
  ["where", (a, b) => where(less(a, 0.0123), a, b)],
];

/** Turns numbers from 0 to 2³¹ into a step that fits the shapes so far; shapes that do not broadcast are reduced until they do. */
function stepFrom(shapes: readonly Shape[], kind: number, first: number, second: number): { step: Step; shape: Shape } {
  const a = first % shapes.length;
  const b = second % shapes.length;
  const shape = shapes[a];
  const pick = <T>(from: readonly T[]): T => from[Math.floor(second / 7) % from.length];
  const one = (says: string, to: Shape, f: (x: Tensor) => Tensor) => ({
    step: { says: `${says} #${a}`, run: (t: readonly Tensor[]) => f(t[a]) },
    shape: to,
  });
  const axis = shape.length ? Math.floor(second / 11) % shape.length : 0;
  switch (kind % 11) {
    case 0: {
      const order = shape.map((_, i) => (i + 1) % shape.length);
      return one(
        `permute ${show(order)}`,
        order.map((i) => shape[i]),
        (x) => permute(x, order),
      );
    }
    case 1:
      return one("flatten", [sizeOf(shape)], (x) => reshape(x, [-1]));
    case 2:
      if (shape.length === 0) break;
      return one(
        `sum ${axis}`,
        shape.map((d, i) => (i === axis ? 1 : d)),
        (x) => tame(sum(x, { axis, keepdims: true })),
      );
    case 3:
      if (shape.length === 0 || shape[axis] < 2) break;
      return one(
        `slice ${axis}`,
        shape.map((d, i) => (i === axis ? Math.ceil((d - 1) / 2) : d)),
        (x) => slice(x, shape.map((_, i) => (i === axis ? [1, undefined, 2] : null)) as never),
      );
    case 4:
      if (shape.length === 0 || sizeOf(shape) > 64) break;
      return one(
        `concat ${axis}`,
        shape.map((d, i) => (i === axis ? 2 * d : d)),
        (x) => concat([x, x.mul(0.5)], { axis }),
      );
    case 5:
      if (shape.length !== 2) break;
      return one("xᵀx", [shape[1], shape[1]], (x) => tame(matmul(transpose(x), x)));
    case 6:
      if (shape.length === 0) break;
      return one("softmax", shape, (x) => softmax(x));
    case 7:
      if (sizeOf(shape) > 40 || shape.length > 3) break;
      return one("repeat", [2, ...shape], (x) => broadcastTo(x, [2, ...shape]));
    case 8: {
      const [says, f] = pick(pointwise);
      return one(`scope ${says}`, shape, (x) => scope(() => f(f(x))));
    }
    case 9:
    case 10: {
      const [says, f] = pick(combining);
      const other = shapes[b];
      const rank = Math.max(shape.length, other.length);
      const at = (s: Shape, i: number) => s[i - (rank - s.length)] ?? 1;
      const fits = Array.from({ length: rank }, (_, i) => [at(shape, i), at(other, i)]).every(([p, q]) => p === q || p === 1 || q === 1);
      const to = fits ? Array.from({ length: rank }, (_, i) => (at(shape, i) === 1 ? at(other, i) : at(shape, i))) : shape;
      if (sizeOf(to) > 200) break;
      return { step: { says: `${says} #${a} #${b}`, run: (t) => f(t[a], fits ? t[b] : tame(sum(t[b]))) }, shape: to };
    }
  }
  const [says, f] = pick(pointwise);
  return one(says, shape, f);
}

export const arbProgram: fc.Arbitrary<Program> = fc
  .tuple(
    fc.array(fc.array(fc.constantFrom(1, 2, 3, 4), { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(fc.nat(1 << 16), fc.nat(1 << 16), fc.nat(1 << 16)), { minLength: 1, maxLength: 12 }),
  )
  .map(([inputs, numbers]) => {
    const shapes: Shape[] = [...inputs];
    const steps = numbers.map(([kind, first, second]) => {
      // Later tensors are likelier, so that programs get deep.
      const recent = first % 3 === 0 ? first : shapes.length - 1 - (first % Math.min(3, shapes.length));
      const { step, shape } = stepFrom(shapes, kind, recent, second);
      shapes.push(shape);
      return step;
    });
    return {
      inputs,
      steps,
      [fc.toStringMethod]: () => `inputs ${inputs.map(show).join(" ")}; ${steps.map(({ says }) => says).join("; ")}`,
    };
  });
