import { costOf } from "./device.ts";
import { bytesOf } from "./dtype.ts";
import { Node, type Origin } from "./node.ts";
import { isConstant, isView, type Op } from "./op.ts";
import { sizeOf } from "./shape.ts";

// A backward pass does not keep a value that is cheap to compute from others that it keeps anyway, such as the output of a norm whose input
// it also reads: it recomputes that value. This never adds to what is kept, and the copy is mostly fused into its reader.

/** Most FLOPs per element that recomputing may cost: allows whatever is bound by memory, such as elementwise formulas and norms. */
const mostCost = 16;

/** Values of fewer bytes are kept: starting a kernel costs more than their memory is worth. */
export const leastBytes = 2 ** 20;

/** The values to recompute, and the call that makes each. */
export type Recipes = ReadonlyMap<Node, Origin>;

export const bytesFor = ({ spec }: Pick<Node, "spec">): number => sizeOf(spec.shape) * bytesOf[spec.dtype];

/** The node whose storage a view of the forward pass will share. A node with a serial below `from` counts as its own owner, run or not. */
function ownerOf(node: Node, from: number): Node {
  let at = node;
  while (at.serial >= from && at.origin && isView(at.origin.op) && !at.origin.op.extra) at = at.origin.inputs[0];
  return at;
}

/** Whether the call can be made again at little cost. */
function isCheap({ origin, spec }: Node): boolean {
  if (!origin || isView(origin.op)) return false;
  const { op, attrs, inputs } = origin;
  const specs = inputs.map((n) => n.spec);
  if ((op as Op<any>).extras?.(specs, attrs).length) return false;
  return costOf(op as Op<any>, specs, attrs, spec) <= mostCost * sizeOf(spec.shape);
}

/** Nodes recorded since `start` that `results` need, and the earlier ones that they read. */
function backwardOf(results: readonly Node[], start: number): { made: Node[]; read: Set<Node> } {
  const [made, read] = [new Set<Node>(), new Set<Node>()];
  const stack = [...results];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.serial < start) read.add(node);
    else if (!made.has(node)) {
      made.add(node);
      stack.push(...(node.origin?.inputs ?? []));
    }
  }
  return { made: [...made].sort((a, b) => a.serial - b.serial), read };
}

/** A forward pass: nodes from serial `from` on, of which the caller holds `output`, and a backward pass from serial `to` on. */
export interface Passes {
  readonly from: number;
  readonly to: number;
  readonly output: Node;
}

/**
 * Decides which values of the forward pass that the backward pass reads are recomputed: those whose inputs are kept, and the calls in
 * between. Values made before either pass, such as weights, belong to whoever made them and are never recomputed.
 */
export function recipesFor(results: readonly Node[], { from, to, output }: Passes): Recipes {
  const { read } = backwardOf(results, to);
  const recipes = new Map<Node, Origin>();
  const kept = new Set<Node>([ownerOf(output, from)]);
  for (const node of [...read].sort((a, b) => a.serial - b.serial)) {
    const base = ownerOf(node, from);
    if (kept.has(base)) continue;
    const fixed = recipes.has(base) || !base.origin || base.serial < from || bytesFor(base) < leastBytes;
    const way = fixed ? undefined : wayTo(base, { from, kept, recipes });
    if (way && way.bytes <= mostInstead * bytesFor(base)) {
      for (const [n, origin] of way.calls) recipes.set(n, origin);
      for (const n of way.instead) kept.add(n);
    }
    if (recipes.has(base)) viewsBetween(node, base, recipes);
    else kept.add(base);
  }
  return recipes;
}

/** Most that may be kept in place of a value, as a part of its size: the weights of a norm, or one of two joined tensors. */
const mostInstead = 0.75;

/** How to recompute a value: by which calls, and what is kept `instead` of it. */
interface Way {
  readonly calls: ReadonlyMap<Node, Origin>;
  readonly instead: ReadonlySet<Node>;
  readonly bytes: number;
}

const nothing: Way = { calls: new Map(), instead: new Set(), bytes: 0 };

const both = (a: Way, b: Way): Way => ({
  calls: new Map([...a.calls, ...b.calls]),
  instead: new Set([...a.instead, ...b.instead]),
  bytes: a.bytes + b.bytes,
});

/** What has been decided so far about the values of a forward pass. */
interface Known {
  readonly from: number;
  readonly kept: ReadonlySet<Node>;
  readonly recipes: Recipes;
}

/** The way to recompute a value that keeps the least instead of it, or undefined where the value is not cheap. */
function wayTo(node: Node, known: Known, depth = 4): Way | undefined {
  if (!isCheap(node) || depth === 0) return undefined;
  return node.origin!.inputs.reduce<Way>(
    (way, input) => {
      const source = ownerOf(input, known.from);
      if (known.kept.has(source) || way.instead.has(source)) return way;
      const own = source.serial >= known.from;
      if (own && source.origin && isConstant(source.origin.op)) return way;
      const made = known.recipes.has(source) || way.calls.has(source);
      const again = made ? nothing : own ? wayTo(source, known, depth - 1) : undefined;
      if (!again || again.bytes >= bytesFor(source)) return both(way, { ...nothing, instead: new Set([source]), bytes: bytesFor(source) });
      const views = new Map<Node, Origin>();
      viewsBetween(input, source, views);
      return both(both(way, again), { ...nothing, calls: views });
    },
    { ...nothing, calls: new Map([[node, node.origin!]]) },
  );
}

function viewsBetween(node: Node, base: Node, into: Map<Node, Origin>): void {
  for (let at = node; at !== base; at = at.origin!.inputs[0]) into.set(at, at.origin!);
}

/** Replaces the values of `recipes` by repeated calls, each placed right before its first reader. */
export function recompute(results: readonly Node[], start: number, recipes: Recipes): void {
  if (recipes.size === 0) return;
  const copies = new Map<Node, Node>();
  for (const reader of backwardOf(results, start).made) {
    const { origin } = reader;
    if (!origin?.inputs.some((n) => recipes.has(n))) continue;
    let count = 0;
    const copyOf = (node: Node): Node => {
      const known = copies.get(node);
      const recipe = recipes.get(node);
      if (known || !recipe) return known ?? node;
      const inputs = recipe.inputs.map(copyOf);
      // A serial between that of the node before the reader and the reader's, after the copies that this copy reads: −1/2, −1/3, −1/4, …
      const copy = new Node(node.device, node.spec, { origin: { ...recipe, inputs } }, reader.serial - 1 / (++count + 1));
      copies.set(node, copy);
      return copy;
    };
    const inputs = origin.inputs.map((n) => copyOf(n).retain());
    reader.origin = { ...origin, inputs };
    for (const n of origin.inputs) n.release();
  }
}
