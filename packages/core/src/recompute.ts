import { costOf } from "./device.ts";
import { bytesOf } from "./dtype.ts";
import { Node, type Origin } from "./node.ts";
import { isConstant, isView, type Op } from "./op.ts";
import { sizeOf } from "./shape.ts";

// A backward pass that reads a value which is cheap to compute from others that it keeps anyway, such as the output of a norm whose input it
// reads as well, computes it again instead of keeping it. What is kept is never more for it, and mostly the copy is fused into its reader.

/** Floating-point operations an element that a value may cost: whatever is bound by memory, as formulas of one element and norms are. */
const mostCost = 16;

/** Smaller values are kept: there, starting a kernel costs more than the memory is worth. */
export const leastBytes = 2 ** 20;

/** Values that are computed again, and from what. */
export type Recipes = ReadonlyMap<Node, Origin>;

export const bytesFor = ({ spec }: Pick<Node, "spec">): number => sizeOf(spec.shape) * bytesOf[spec.dtype];

/** The value whose storage a view of the forward pass will share. Whatever was made before number `from` is a value by itself, run or not. */
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

/** A forward pass: nodes from the number `from` on, of which the caller holds `output`, and a backward pass from the number `to` on. */
export interface Passes {
  readonly from: number;
  readonly to: number;
  readonly output: Node;
}

/**
 * Which values of the forward pass that the backward pass reads are to be computed again: those whose inputs are kept, and what stands
 * between. What was made before either pass, such as a weight, is whoever's who made it, and never computed again.
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

/** What is kept in the place of a value may be as large as this part of it: the weights of a norm, one of two that are joined. */
const mostInstead = 0.75;

/** How a value is made again: by which calls, and from what that is kept in its place. */
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

/** What is known of the values of a forward pass while it is decided which are kept. */
interface Known {
  readonly from: number;
  readonly kept: ReadonlySet<Node>;
  readonly recipes: Recipes;
}

/** The way to a value that holds the least instead of it, or nothing where the value is not cheap. */
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

/** Puts calls that are made again, right before their first reader, in the place of the values of `recipes`. */
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
      // Between whatever was recorded before the reader and the reader, after the copies that it reads itself: −1/2, −1/3, −1/4, …
      const copy = new Node(node.device, node.spec, { origin: { ...recipe, inputs } }, reader.serial - 1 / (++count + 1));
      copies.set(node, copy);
      return copy;
    };
    const inputs = origin.inputs.map((n) => copyOf(n).retain());
    reader.origin = { ...origin, inputs };
    for (const n of origin.inputs) n.release();
  }
}
