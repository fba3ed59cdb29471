import type { Group } from "./fuse.ts";
import { isDense } from "./layout.ts";
import type { Materialized, Node, Storage } from "./node.ts";
import { isView } from "./op.ts";
import { sameShape, sizeOf } from "./shape.ts";

/** From a result to the node whose storage it may take over: from the next value of a state to its current one. */
export type Over = ReadonlyMap<Node, Node>;

const lies = (node: Node): Materialized => node.value as Materialized;

/** Whether element `i` of the result can overwrite element `i` of an input. f16 is written in words of two elements, so it cannot. */
function alike(input: Node, result: Node): boolean {
  const { layout, extras } = lies(input);
  const { dtype, shape } = input.spec;
  return (
    dtype === result.spec.dtype &&
    dtype !== "f16" &&
    sameShape(shape, result.spec.shape) &&
    isDense(layout) &&
    layout.offset === 0 &&
    !extras
  );
}

/** Whether a storage is not much larger than the input in it: a small result would keep all of a large storage alive. */
const small = ({ bytes }: Storage, input: Node): boolean => bytes <= 8 * sizeOf(input.spec.shape) + 256;

/**
 * Finds an input that only this kernel reads, now or later. A group that is about to run holds its inputs, and so does each of its nodes; a
 * node inside it that something else also holds will read its own inputs again.
 */
export function expendable({ root, inside, inputs }: Group): Node | undefined {
  if ([...inside].some((n) => n.refs > 1)) return undefined;
  const named = [root, ...inside].flatMap((n) => n.origin?.inputs ?? []);
  const last = (n: Node) => n.refs === 1 + named.filter((input) => input === n).length && lies(n).storage.refs === 1;
  return inputs.find((n) => last(n) && alike(n, root) && small(lies(n).storage, n));
}

/**
 * The last node of `order` to read each storage; `kept` nodes count as read after all of them. A view that is still to be made will share
 * its input's storage.
 */
export function lastReaders(
  order: readonly Node[],
  inputsOf: (node: Node) => readonly Node[],
  kept: Iterable<Node>,
): ReadonlyMap<Storage, Node> {
  const last = new Map<Storage, Node>();
  const views = new Map<Node, Storage>();
  const look = (reader: Node, at: Node) => {
    const storage = at.value?.storage ?? views.get(at);
    if (!storage) return;
    last.set(storage, reader);
    if (reader.origin && isView(reader.origin.op)) views.set(reader, storage);
  };
  for (const node of order) for (const input of inputsOf(node)) look(node, input);
  for (const node of kept) look(node, node);
  return last;
}

/** Whether a kernel can write its result over a state's value: it is the `last` to read that storage, and reads nothing else in it. */
export function supersedes({ root, inputs }: Group, before: Node, last: ReadonlyMap<Storage, Node>): boolean {
  const { storage } = lies(before);
  const within = inputs.filter((n) => lies(n).storage === storage);
  return last.get(storage) === root && within.length === 1 && within[0] === before && alike(before, root);
}
