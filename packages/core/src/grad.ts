import { OpError, SnoopiError } from "./error.ts";
import { type Node } from "./node.ts";
import { add } from "./ops/arithmetic.ts";
import { full } from "./ops/full.ts";
import { alias } from "./ops/movement.ts";
import { scope } from "./scope.ts";
import { sameShape, show } from "./shape.ts";
import { listen, Tape } from "./tape.ts";
import { isTensor, Tensor } from "./tensor.ts";
import { leaves, mapTree } from "./tree.ts";

/** Pulls a cotangent of the output back to the primals. It may be called more than once. */
export type PullbackOf<X> = (cotangent: Tensor) => X;

/**
 * Calls `fn` on `primals` (tensors in nested arrays and plain objects) and returns its output, a tensor, with the function that
 * pulls a cotangent back to them. The results are tensors computed by recorded ops, so this nests.
 */
export function vjp<X>(fn: (primals: X) => Tensor, primals: X): [output: Tensor, pullback: PullbackOf<X>] {
  // Fresh nodes, so that a primal that `fn` also reaches from outside stays a constant there.
  const variables = mapTree(primals, (t) => alias(t));
  const tape = new Tape(leaves(variables));
  const output = listen(tape, () => fn(variables));
  if (!isTensor(output)) throw new SnoopiError(`vjp: the function must return a tensor, got ${describe(output)}.`);
  const wrt = leaves(variables).map((v) => v.node);
  return [
    output,
    (cotangent) => {
      if (!sameShape(cotangent.shape, output.shape)) {
        throw new OpError("vjp", `the cotangent is ${show(cotangent.shape)} and the output ${show(output.shape)}`);
      }
      const found = scope(() => pullBack(tape, output.node, cotangent, wrt));
      let next = 0;
      return mapTree(primals, (t) => found[next++] ?? full(t.shape, 0, { dtype: t.dtype, device: t.device }));
    },
  ];
}

/** The value of `fn` at `x` and its gradient there. `fn` returns a scalar (one element); `x` is any tree of tensors. */
export function valueAndGrad<X, R extends unknown[]>(fn: (x: X, ...rest: R) => Tensor): (x: X, ...rest: R) => [value: Tensor, gradient: X] {
  return (x, ...rest) => {
    const [value, pull] = vjp((v: X) => fn(v, ...rest), x);
    if (value.shape.some((d) => d !== 1)) {
      throw new OpError("grad", `the function must return one number, got ${show(value.shape)}`, "Reduce it with sum or mean, or use vjp.");
    }
    return [value, pull(full(value.shape, 1, { dtype: value.dtype, device: value.device }))];
  };
}

/** The gradient of `fn` with respect to its first argument, a tensor or a tree of them. */
export function grad<X, R extends unknown[]>(fn: (x: X, ...rest: R) => Tensor): (x: X, ...rest: R) => X {
  const both = valueAndGrad(fn);
  return (x, ...rest) => scope(() => both(x, ...rest)[1]);
}

/** Consumers before producers, adding up where a tensor was read more than once. */
function pullBack(tape: Tape, root: Node, seed: Tensor, wrt: readonly Node[]): (Tensor | undefined)[] {
  const cotangents = new Map<Node, Tensor>([[root, seed]]);
  for (const { op, attrs, inputs, output } of tape.entries.toReversed()) {
    const g = cotangents.get(output);
    if (!g) continue;
    if (!op.vjp) throw new OpError(op.name, "is not differentiable");
    const results = op.vjp(g, { inputs: inputs.map((n) => new Tensor(n)), output: new Tensor(output), attrs });
    results.forEach((dx, i) => {
      const x = inputs[i];
      if (!dx || !tape.tracks(x)) return;
      const sum = cotangents.get(x);
      cotangents.set(x, sum ? add(sum, dx) : dx);
    });
  }
  return wrt.map((n) => cotangents.get(n));
}

const describe = (value: unknown): string => (value instanceof Promise ? "a promise" : typeof value);
