import { arrived, type Cotangent, total } from "./cotangent.ts";
import { isFloat } from "./dtype.ts";
import { OpError, SnoopiError } from "./error.ts";
import { type Node, nextSerial } from "./node.ts";
import { cast } from "./ops/cast.ts";
import { full } from "./ops/full.ts";
import { alias } from "./ops/movement.ts";
import { leastBytes, recipesFor, recompute } from "./recompute.ts";
import { scope } from "./scope.ts";
import { currentScope } from "./scope-stack.ts";
import { sameShape, show } from "./shape.ts";
import { isListening, listen, Tape } from "./tape.ts";
import { isTensor, share, Tensor } from "./tensor.ts";
import { traced } from "./tracing.ts";
import { leaves, mapTree } from "./tree.ts";

/**
 * Pulls a cotangent of the output back to the primals. It may be called more than once, until it is disposed of: the values that the
 * backward pass reads stay alive that long. The scope that was current at `vjp` disposes of it when it ends.
 */
export type PullbackOf<X> = ((cotangent: Tensor) => X) & Disposable;

/** Frees the tapes of pullbacks that a program forgot outside of every scope. */
const forgotten = new FinalizationRegistry<Tape>((tape) => tape[Symbol.dispose]());

/**
 * Calls `fn` on `primals` (float tensors in nested arrays and plain objects) and returns its output, a tensor, with the function
 * that pulls a cotangent back to them. The results are tensors computed by recorded ops, so this nests.
 */
export function vjp<X>(fn: (primals: X) => Tensor, primals: X): [output: Tensor, pullback: PullbackOf<X>] {
  if (leaves(primals).length === 0)
    throw new SnoopiError("vjp: there are no tensors among the primals. Pass them in arrays or plain objects.");
  for (const t of leaves(primals)) {
    if (!isFloat(t.dtype))
      throw new OpError("vjp", `a primal is ${t.dtype} ${show(t.shape)}, and only floats have gradients`, "Pass it as a further argument.");
  }
  // Fresh nodes, so that a primal that `fn` also reaches through its closure is a constant there.
  const variables = mapTree(primals, (t) => alias(t));
  const own = leaves(variables);
  const tape = new Tape(own);
  // Nodes, not handles: the caller may dispose of the output and of the primals before pulling back.
  const wrt = own.map((v) => v.node);
  let output: Tensor;
  try {
    output = listen(tape, () => fn(variables));
    if (!isTensor(output)) throw new SnoopiError(`vjp: the function must return a tensor, got ${describe(output)}.`);
    if (own.includes(output)) output = share(output);
    // An outer tape keeps all values anyway, to differentiate this pass.
    if (!isListening()) prune(tape, output.node, wrt);
  } catch (error) {
    tape[Symbol.dispose]();
    throw error;
  }
  const root = output.node;
  const letGo = () => own.forEach((v) => void v.dispose());
  // A checkpoint or a custom vjp runs the caller's code in the backward pass, which may read the variables again.
  if (!tape.callsBack) letGo();
  const pull = (cotangent: Tensor): X => {
    tape.check();
    if (!sameShape(cotangent.shape, root.spec.shape)) {
      throw new OpError("vjp", `the cotangent is ${show(cotangent.shape)} and the output ${show(root.spec.shape)}`);
    }
    const found = scope(() => pullBack(tape, root, cotangent, wrt));
    let next = 0;
    return mapTree(primals, () => found[next++]);
  };
  const owner = currentScope();
  const pullback = Object.assign(pull, {
    [Symbol.dispose]() {
      forgotten.unregister(tape);
      owner?.disown(tape);
      tape[Symbol.dispose]();
      letGo();
    },
  });
  if (owner) owner.adopt(tape);
  else forgotten.register(pullback, tape, tape);
  return [output, pullback];
}

/**
 * The value of `fn` at `x` and its gradient there. `fn` returns a scalar (one element); `x` is any tree of float tensors. Tensors made
 * on the way are freed, as in a `scope`.
 */
export function valueAndGrad<X, R extends unknown[]>(fn: (x: X, ...rest: R) => Tensor): (x: X, ...rest: R) => [value: Tensor, gradient: X] {
  return (x, ...rest) =>
    scope(() => {
      const [value, pull] = vjp((v: X) => fn(v, ...rest), x);
      if (value.shape.some((d) => d !== 1)) throw notScalar(value);
      return [value, pull(full(value.shape, 1, { dtype: value.dtype, device: value.device }))];
    });
}

/** The gradient of `fn` with respect to its first argument, a tensor or a tree of them. */
export function grad<X, R extends unknown[]>(fn: (x: X, ...rest: R) => Tensor): (x: X, ...rest: R) => X {
  const both = valueAndGrad(fn);
  return (x, ...rest) => scope(() => both(x, ...rest)[1]);
}

/**
 * The value of `loss` and its gradient with respect to `params`, a tree of tensors that `loss` closes over, such as the weights of a model.
 * `loss` returns a scalar. Tensors made on the way are freed, as in a `scope`.
 */
export function valueAndGradients<X>(params: X, loss: () => Tensor): [value: Tensor, gradients: X] {
  const own = leaves(params);
  if (own.length === 0) throw new SnoopiError("grad: there are no tensors among the parameters. Pass them in arrays or plain objects.");
  for (const t of own) {
    if (!isFloat(t.dtype)) throw new OpError("grad", `a parameter is ${t.dtype} ${show(t.shape)}, and only floats have gradients`);
  }
  return scope(() => {
    using tape = new Tape(own);
    const value = listen(tape, loss);
    if (!isTensor(value)) throw new SnoopiError(`grad: the function must return a tensor, got ${describe(value)}.`);
    if (value.shape.some((d) => d !== 1)) throw notScalar(value);
    const seed = full(value.shape, 1, { dtype: value.dtype, device: value.device });
    const found = pullBack(
      tape,
      value.node,
      seed,
      own.map((t) => t.node),
    );
    let next = 0;
    return [value, mapTree(params, () => found[next++])];
  });
}

/**
 * Records the pullback of a stand-in cotangent, without running it, to see which values a backward pass reads; the tape releases the
 * others. A caller may then compute the output first and pull back later, and hold no more in between than one combined pass does.
 */
function prune(tape: Tape, root: Node, wrt: readonly Node[]): void {
  traced(undefined, () =>
    scope(() => {
      const seed = full(root.spec.shape, 1, { dtype: root.spec.dtype, device: root.device });
      const passes = { from: tape.start, to: nextSerial(), output: root };
      const results = record(tape, root, seed, wrt).map((t) => t.node);
      tape.prune(results, recipesFor(results, passes));
    }),
  );
}

export const notScalar = (value: Tensor): OpError =>
  new OpError("grad", `the function must return one number, got ${show(value.shape)}`, "Reduce it with sum or mean, or use vjp.");

/** The cotangents of `wrt`, each a handle of its own, given that of `root`. Cheap values are recomputed instead of kept. */
export function pullBack(tape: Tape, root: Node, seed: Tensor, wrt: readonly Node[]): Tensor[] {
  const to = nextSerial();
  const results = record(tape, root, seed, wrt);
  // Under an outer tape, a derivative of this pass reads the same values.
  if (!isListening() && tape.mostBytes >= leastBytes) {
    const nodes = results.map((t) => t.node);
    recompute(nodes, to, tape.recipes ?? recipesFor(nodes, { from: tape.start, to, output: root }));
  }
  return results;
}

/** Visits consumers before producers, adding up where a tensor was read more than once. */
function record(tape: Tape, root: Node, seed: Tensor, wrt: readonly Node[]): Tensor[] {
  const cotangents = new Map<Node, Cotangent>([[root, arrived(undefined, cast(seed, root.spec.dtype))]]);
  for (const { op, attrs, inputs, output } of tape.entries.toReversed()) {
    const found = cotangents.get(output);
    if (!found) continue;
    if (!op.vjp) throw new OpError(op.name, "is not differentiable");
    const results = op.vjp(total(found), { inputs: inputs.map((n) => new Tensor(n)), output: new Tensor(output), attrs });
    results.forEach((dx, i) => {
      const x = inputs[i];
      if (!dx || !tape.tracks(x)) return;
      // Where types were mixed, the cotangent comes in the wider one.
      cotangents.set(x, arrived(cotangents.get(x), cast(dx, x.spec.dtype)));
    });
  }
  return wrt.map((n) => {
    const found = cotangents.get(n);
    return found ? share(total(found)) : full(n.spec.shape, 0, { dtype: n.spec.dtype, device: n.device });
  });
}

const describe = (value: unknown): string => (value instanceof Promise ? "a promise" : typeof value);
