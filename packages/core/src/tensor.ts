import type { Device } from "./device.ts";
import type { DType } from "./dtype.ts";
import { kindOf, OpError, SnoopiError } from "./error.ts";
import { Node } from "./node.ts";
import type { AnyOp, Op, Spec, ViewOp } from "./op.ts";
import { currentScope, type Scope } from "./scope-stack.ts";
import { type Shape, sameShape, show } from "./shape.ts";
import { noGrad, recordOnTapes } from "./tape.ts";
import { tracing } from "./tracing.ts";

/** Frees tensors that a program forgot, some time after they are garbage-collected. Scopes and `dispose` free them at once. */
const forgotten = new FinalizationRegistry<Node>((node) => node.release());

/**
 * A handle to an n-dimensional array, computed or pending. Values are immutable and handles are cheap; disposing of a handle never breaks a
 * pending computation or a backward pass that uses its value.
 *
 * Arithmetic methods live in `methods.ts`; every op is also a free function.
 */
export class Tensor implements Disposable {
  readonly shape: Shape;
  readonly dtype: DType;
  #node: Node | undefined;
  #scope: Scope | undefined;

  constructor(node: Node, scope: Scope | undefined = currentScope()) {
    this.shape = node.spec.shape;
    this.dtype = node.spec.dtype;
    this.#node = node.retain();
    this.#scope = scope;
    scope?.adopt(this);
    forgotten.register(this, node, this);
  }

  /** The recorded call or value behind this handle. Throws after `dispose()`. */
  get node(): Node {
    if (!this.#node)
      throw new SnoopiError(
        `a ${this.dtype} tensor ${show(this.shape)} is used after it was disposed. Return it from its scope, or dispose it later.`,
      );
    return this.#node;
  }

  get device(): Device {
    return this.node.device;
  }

  get rank(): number {
    return this.shape.length;
  }

  get scope(): Scope | undefined {
    return this.#scope;
  }

  get disposed(): boolean {
    return this.#node === undefined;
  }

  /** Hands the tensor to another scope; `undefined` means that only `dispose()` ends it. */
  moveTo(scope: Scope | undefined): void {
    this.#scope?.disown(this);
    this.#scope = scope;
    scope?.adopt(this);
  }

  /**
   * Makes this handle refer to another value of the same shape and type: how an optimiser updates a parameter that models hold. Calls
   * recorded before keep the old value.
   */
  assign(value: Tensor): void {
    if (!sameShape(value.shape, this.shape) || value.dtype !== this.dtype || value.device !== this.device) {
      const described = (t: Tensor) => `${t.dtype} ${show(t.shape)} on ${t.device.name}`;
      throw new SnoopiError(`assign: the tensor is ${described(this)} and the value ${described(value)}. Both must be alike.`);
    }
    const before = this.node;
    tracing()?.read(value);
    tracing()?.assign(this, before);
    const after = value.node.retain();
    forgotten.unregister(this);
    this.#node = after;
    forgotten.register(this, after, this);
    before.release();
  }

  /** Lets go of the value. Safe to call twice. */
  dispose(): void {
    if (!this.#node) return;
    forgotten.unregister(this);
    this.#scope?.disown(this);
    this.#node.release();
    this.#node = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

export const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;

/** Takes a tensor out of every scope: it lives until `dispose()`. */
export function keep(tensor: Tensor): Tensor {
  tensor.moveTo(undefined);
  return tensor;
}

/** Another handle to the same value. An op with nothing to do returns this, so that disposing of its result leaves its input alone. */
export function share(x: Tensor): Tensor {
  tracing()?.read(x);
  return new Tensor(x.node, currentScope() ?? innermost([x]));
}

/** The one door every operation goes through. Checks the call, records it, computes nothing. */
export function apply<A>(op: AnyOp, inputs: readonly Tensor[], attrs: A, device: Device = deviceOf(op.name, inputs)): Tensor {
  const spec = op.infer(
    inputs.map(({ shape, dtype }) => ({ shape, dtype })),
    attrs,
  );
  device.supports(spec.dtype);
  const listener = tracing();
  if (listener) for (const x of inputs) listener.read(x);
  const node = new Node(device, spec, { origin: { op, attrs, inputs: inputs.map((t) => t.node) } });
  const out = new Tensor(node, currentScope() ?? innermost(inputs));
  recordOnTapes(op, inputs, out, attrs);
  return out;
}

/** As {@link apply}, for an op with further results: returns all of them, the main result first. No gradient flows through the others. */
export function applyAll<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, device?: Device): Tensor[] {
  const first = apply(op, inputs, attrs, device);
  const specs = op.extras?.(
    inputs.map(({ shape, dtype }) => ({ shape, dtype })),
    attrs,
  );
  return [first, ...(specs ?? []).map((spec, index) => extraOf(first, index, spec))];
}

/** Further result `index` of the call that made `first`: what a backward pass reads. */
export const extraOf = (first: Tensor, index: number, spec: Spec): Tensor => noGrad(() => apply(extraOp, [first], { spec, index }));

const extraOp: ViewOp<{ readonly spec: Spec; readonly index: number }> = {
  name: "extra",
  infer: (_, { spec }) => spec,
  view: (layout) => layout,
  extra: ({ index }) => index,
};

function deviceOf(op: string, inputs: readonly Tensor[]): Device {
  for (const x of inputs) if (!isTensor(x)) throw new OpError(op, `an operand is ${kindOf(x)}, expected a tensor`);
  const device = inputs[0].device;
  for (const x of inputs) {
    if (x.device !== device) {
      throw new OpError(op, `one tensor is on ${device.name} and another on ${x.device.name}`, "Move one with await x.copyTo(device).");
    }
  }
  return device;
}

/** After an `await` no scope is current; a result then belongs where its shortest-lived operand does. */
function innermost(inputs: readonly Tensor[]): Scope | undefined {
  let deepest: Scope | undefined;
  for (const { scope } of inputs) if (scope && !scope.closed && (!deepest || scope.depth > deepest.depth)) deepest = scope;
  return deepest;
}
