import type { DType } from "./dtype.ts";
import type { Node } from "./node.ts";
import { type Elementwise, isConstant, isElementwise } from "./op.ts";
import { sameShape } from "./shape.ts";

/** A tree of formulas over the inputs and the constants of one fused kernel. */
export type Term =
  | { readonly kind: "input"; readonly index: number; readonly dtype: DType }
  | { readonly kind: "constant"; readonly index: number; readonly dtype: DType }
  | { readonly kind: "call"; readonly op: Elementwise<any>; readonly args: readonly Term[]; readonly dtype: DType };

export interface Expression {
  readonly term: Term;
  /** The numbers behind the `constant` terms: data, not part of the kernel. */
  readonly constants: readonly number[];
}

/** A kernel to run: the node it computes and the nodes it reads. */
export interface Group {
  readonly root: Node;
  /** Nodes computed inside the kernel and never stored. */
  readonly inside: ReadonlySet<Node>;
  readonly inputs: readonly Node[];
  readonly expression: Expression;
}

/** Most formulas in one kernel: enough that memory traffic no longer matters, few enough for every shader compiler and for the stack. */
const maxFormulas = 64;

/** Most numbers, of four bytes each, that a kernel takes beside its operands: a device may have room for 512 bytes. */
const maxNumbers = 128;

/** How many numbers that is: the result's sizes, an offset and strides for the result and each operand, and the constants. */
const numbersOf = ({ spec }: Node, { leaves, constants }: Read): number => (1 + spec.shape.length) * (2 + leaves.size) + constants;

/**
 * Grows kernels backwards from each elementwise node over the producers that only it reads. `order` lists producers before
 * consumers; `readers` says how often each node is read within it; `wanted` nodes keep a storage of their own.
 */
export function fuse(order: readonly Node[], readers: ReadonlyMap<Node, number>, wanted: ReadonlySet<Node>, maxInputs: number) {
  const groups = new Map<Node, Group>();
  const inlined = new Set<Node>();
  for (const root of order.toReversed()) {
    if (inlined.has(root) || !root.origin || !isElementwise(root.origin.op)) continue;
    const inside = new Set<Node>([root]);
    const joins = (n: Node) =>
      n.origin && isElementwise(n.origin.op) && readers.get(n) === 1 && !wanted.has(n) && sameShape(n.spec.shape, root.spec.shape);
    let { leaves } = readBy(root, inside);
    for (let grew = true; grew; ) {
      grew = false;
      for (const leaf of leaves) {
        if (inside.size >= maxFormulas) break;
        if (!joins(leaf)) continue;
        inside.add(leaf);
        const wider = readBy(root, inside);
        if (wider.leaves.size > maxInputs || numbersOf(root, wider) > maxNumbers) {
          inside.delete(leaf);
          continue;
        }
        leaves = wider.leaves;
        grew = true;
        break;
      }
    }
    inside.delete(root);
    for (const n of inside) inlined.add(n);
    const inputs = [...leaves];
    groups.set(root, { root, inside, inputs, expression: express(root, inside, inputs) });
  }
  return { groups, inlined };
}

const isNumber = (n: Node): boolean => n.origin !== undefined && isConstant(n.origin.op);

interface Read {
  /** The nodes a kernel must read from memory. */
  readonly leaves: Set<Node>;
  /** How many constants its formulas have. */
  readonly constants: number;
}

/** What a kernel over `inside` reads. */
function readBy(root: Node, inside: ReadonlySet<Node>): Read {
  const leaves = new Set<Node>();
  let constants = 0;
  const visit = (n: Node) => {
    for (const input of n.origin?.inputs ?? []) {
      if (inside.has(input)) visit(input);
      else if (isNumber(input)) constants++;
      else leaves.add(input);
    }
  };
  visit(root);
  return { leaves, constants };
}

function express(root: Node, inside: ReadonlySet<Node>, inputs: readonly Node[]): Expression {
  const constants: number[] = [];
  const term = (n: Node): Term => {
    const { dtype } = n.spec;
    const origin = n.origin;
    if (origin && isConstant(origin.op)) {
      const { op, attrs } = origin;
      return { kind: "constant", index: constants.push(op.constant(attrs)) - 1, dtype: op.readAs?.(attrs) ?? dtype };
    }
    if (n !== root && !inside.has(n)) return { kind: "input", index: inputs.indexOf(n), dtype };
    return { kind: "call", op: origin!.op as Elementwise<any>, args: origin!.inputs.map(term), dtype };
  };
  return { term: term(root), constants };
}

/** The expression that copies its one input. */
export const copyOf = (dtype: DType): Expression => ({ term: { kind: "input", index: 0, dtype }, constants: [] });

/** The expression of one constant. */
export const constantOf = (dtype: DType, value: number): Expression => ({
  term: { kind: "constant", index: 0, dtype },
  constants: [value],
});
