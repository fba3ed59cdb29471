import { costOf, type Device, type Operand } from "./device.ts";
import { SnoopiError } from "./error.ts";
import { constantOf, copyOf, type Expression, fuse, type Group } from "./fuse.ts";
import { expendable, lastReaders, type Over, supersedes } from "./in-place.ts";
import { dense, expanded, isDense, type Layout, laidIn } from "./layout.ts";
import { letGo, type Materialized, type Node, type Storage } from "./node.ts";
import { isConstant, isView, type Op, type Spec } from "./op.ts";
import { type Shape, sizeOf } from "./shape.ts";

/**
 * Runs what `wanted` needs and nothing else, producers first. Yields the FLOPs of every kernel just encoded, so that a caller may
 * submit, wait or stop in between: at each yield the graph is consistent, and what has not run is still recorded.
 *
 * Memory follows reference counts: a node that ran lets go of its inputs, so a storage returns to the device right after its last reader,
 * and the next allocation may take it. An elementwise kernel writes over the value that `over` names for its result, where nothing reads
 * that later, or else over an input that it is the last to read.
 */
export function* execute(device: Device, wanted: readonly Node[], over: Over = new Map()): Generator<number, void> {
  const { order, readers } = needed(wanted);
  const keep = new Set(wanted);
  const { groups, inlined } = fuse(order, readers, keep, device.maxInputs);
  const stored = readBeyondGroups(order, groups, inlined);
  // Between two yields another execution may run an inlined node by itself, and so release nodes that this one will read.
  const held = new Set(groups.values());
  for (const { inputs } of held) for (const n of inputs) n.retain();
  const done = (group: Group) => {
    held.delete(group);
    for (const n of group.inputs) n.release();
  };
  try {
    yield* run(device, order, { groups, inlined, stored, keep, over, done });
  } finally {
    for (const group of held) done(group);
  }
}

interface Plan {
  readonly groups: ReadonlyMap<Node, Group>;
  readonly inlined: ReadonlySet<Node>;
  readonly stored: ReadonlySet<Node>;
  readonly keep: ReadonlySet<Node>;
  readonly over: Over;
  done(group: Group): void;
}

function* run(device: Device, order: readonly Node[], { groups, inlined, stored, keep, over, done }: Plan): Generator<number, void> {
  const own = new Set(order);
  const movable = (n: Node) => own.has(n) && !keep.has(n);
  const inputsOf = (n: Node) => (inlined.has(n) ? [] : (groups.get(n)?.inputs ?? n.origin?.inputs ?? []));
  const last = lastReaders(over.size > 0 ? order : [], inputsOf, keep);
  for (const node of order) {
    // A constant that only fused kernels read never needs memory.
    const origin = node.origin;
    if (!origin || inlined.has(node)) continue;
    if (isConstant(origin.op)) {
      if (keep.has(node) || stored.has(node)) {
        node.settle(compute(device, node.spec.shape, constantOf(node.spec.dtype, origin.op.constant(origin.attrs)), []));
      }
      continue;
    }
    if (isView(origin.op)) {
      node.settle(look(device, node, movable));
      continue;
    }
    const group = groups.get(node);
    if (group) {
      const inputs = group.inputs.map((n) => operand(n));
      const before = over.get(node);
      const room = before && supersedes(group, before, last) ? before : expendable(group);
      node.settle(compute(device, node.spec.shape, group.expression, inputs, room?.value?.storage));
      done(group);
      yield (1 + group.inside.size) * sizeOf(node.spec.shape);
    } else {
      const cost = costOf(
        origin.op as Op<any>,
        origin.inputs.map((n) => n.spec),
        origin.attrs,
        node.spec,
      );
      call(device, node, movable);
      yield cost;
    }
  }
}

/** Total FLOPs that {@link execute} would yield for `wanted`. */
export function costToRun(wanted: readonly Node[]): number {
  return needed(wanted).order.reduce((sum, { origin, spec }) => {
    if (!origin || isView(origin.op) || isConstant(origin.op)) return sum;
    return (
      sum +
      costOf(
        origin.op as Op<any>,
        origin.inputs.map((n) => n.spec),
        origin.attrs,
        spec,
      )
    );
  }, 0);
}

/**
 * Pending nodes reachable from `wanted`, in the order they were recorded, and how often each is read among them. In program order producers
 * come first, and each part that is recomputed to save memory runs where it is needed, not all of them at once.
 */
function needed(wanted: readonly Node[]): { order: Node[]; readers: Map<Node, number> } {
  const found = new Set<Node>();
  const readers = new Map<Node, number>();
  const stack = wanted.filter((n) => !n.value);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node)) continue;
    if (!node.origin)
      throw new SnoopiError("a disposed tensor is needed by a computation that has not run. Dispose it after reading the result.");
    found.add(node);
    for (const input of node.origin.inputs) {
      readers.set(input, (readers.get(input) ?? 0) + 1);
      if (!input.value) stack.push(input);
    }
  }
  return { order: [...found].sort((a, b) => a.serial - b.serial), readers };
}

/** The nodes that something other than a fused kernel reads. */
function readBeyondGroups(order: readonly Node[], groups: ReadonlyMap<Node, Group>, inlined: ReadonlySet<Node>): Set<Node> {
  return new Set(order.flatMap((n) => (groups.has(n) || inlined.has(n) ? [] : (n.origin?.inputs ?? []))));
}

const operand = (node: Node): Operand => ({ ...(node.value as Materialized), dtype: node.spec.dtype });

/** Evaluates an expression into a fresh dense storage, or into `over`, that of an input with the result's layout. */
function compute(device: Device, shape: Shape, expression: Expression, inputs: readonly Operand[], over?: Storage): Materialized {
  const { dtype } = expression.term;
  const out = { storage: over?.retain() ?? device.allocate(dtype, sizeOf(shape)), layout: dense(shape) };
  if (sizeOf(shape) > 0) {
    const broadcast = inputs.map((x) => ({ ...x, layout: expanded(x.layout, shape) }));
    try {
      device.elementwise(expression, broadcast, { ...out, dtype });
    } catch (error) {
      letGo(out);
      throw error;
    }
  }
  return out;
}

/** A view shares its input's storage; where its layout cannot be expressed, a dense copy's. */
function look(device: Device, node: Node, movable: (n: Node) => boolean): Materialized {
  const { op, attrs, inputs } = node.origin!;
  const made = inputs[0].value as Materialized;
  const which = isView(op) ? op.extra?.(attrs) : undefined;
  const base = which === undefined ? made : made.extras![which];
  const view = (layout: Layout) => (isView(op) ? op.view(layout, attrs, node.spec.shape) : undefined);
  const direct = view(base.layout);
  if (direct) return { storage: base.storage.retain(), layout: direct };
  const copy = compute(device, base.layout.shape, copyOf(node.spec.dtype), [{ ...base, dtype: node.spec.dtype }]);
  if (which === undefined && movable(inputs[0])) moveIfAlone(inputs[0], copy);
  return { storage: copy.storage, layout: view(copy.layout) as Layout };
}

/**
 * Moves a value into its dense copy, for its other readers, unless something else uses its storage: then both would be kept, whereas the
 * copy alone can be freed as soon as it was read.
 */
function moveIfAlone(node: Node, copy: Materialized): void {
  const { storage, ...rest } = node.value as Materialized;
  if (storage.refs > 1) return;
  node.value = { ...rest, storage: copy.storage.retain(), layout: copy.layout };
  storage.release();
}

/** Runs the op's own kernel, with dense copies of the inputs whose layout it cannot read. */
function call(device: Device, node: Node, movable: (n: Node) => boolean): void {
  const { attrs, inputs } = node.origin!;
  const op = node.origin!.op as Op<any>;
  const copies: Storage[] = [];
  const made: Storage[] = [];
  const room = ({ shape, dtype }: Spec, order: readonly number[] | undefined): Operand => {
    const storage = device.allocate(dtype, sizeOf(shape));
    made.push(storage);
    return { storage, layout: order ? laidIn(order, shape) : dense(shape), dtype };
  };
  try {
    const operands = inputs.map((n, i) => {
      const x = operand(n);
      if (device.accepts(op, attrs, i, x)) return x;
      const copy = compute(device, n.spec.shape, copyOf(n.spec.dtype), [x]);
      copies.push(copy.storage);
      if (movable(n)) moveIfAlone(n, copy);
      return { ...x, ...copy };
    });
    const specs = inputs.map((n) => n.spec);
    const lie = operands.map((x) => x.layout);
    const [out, ...extras] = [node.spec, ...(op.extras?.(specs, attrs) ?? [])].map((spec, i) => room(spec, device.orderOf?.(op, i, lie)));
    if ([out, ...extras].some((x) => sizeOf(x.layout.shape) > 0)) device.run(op, attrs, operands, out, extras);
    node.settle(extras.length ? { ...out, extras } : out);
  } catch (error) {
    for (const storage of made) storage.release();
    throw error;
  } finally {
    for (const storage of copies) storage.release();
  }
}

/** The values of a computed node in a storage of their own. */
export const duplicate = (device: Device, node: Node): Materialized =>
  compute(device, node.spec.shape, copyOf(node.spec.dtype), [operand(node)]);

/** Overwrites `target` with the values of another computed node of its shape, or with one number. */
export function overwrite(device: Device, target: Node, source: Node | number): void {
  if (sizeOf(target.spec.shape) === 0) return;
  const { dtype } = target.spec;
  if (typeof source === "number") device.elementwise(constantOf(dtype, source), [], operand(target));
  else device.elementwise(copyOf(dtype), [operand(source)], operand(target));
}

/** Pending nodes that `wanted` needs, producers first: what {@link execute} would run. */
export const pendingFor = (wanted: readonly Node[]): Node[] => needed(wanted).order;

/** A dense storage that starts at element zero: what a read needs. */
export function compact(device: Device, node: Node): Materialized {
  const value = node.value as Materialized;
  if (isDense(value.layout) && value.layout.offset === 0) return { storage: value.storage.retain(), layout: value.layout };
  return compute(device, node.spec.shape, copyOf(node.spec.dtype), [operand(node)]);
}
