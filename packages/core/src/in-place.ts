import type { Group } from "./fuse.ts";
import { isDense } from "./layout.ts";
import type { Materialized, Node, Storage } from "./node.ts";
import { isView } from "./op.ts";
import { sameShape, sizeOf } from "./shape.ts";

/** Results that are to lie where something else lies now: the next value of a state, over the one before. */
export type Over = ReadonlyMap<Node, Node>;

const lies = (node: Node): Materialized => node.value as Materialized;

/** Whether element `i` of an input can give way to element `i` of the result. f16 is written by words, of two elements. */
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

/** Whether little is in a storage beside a value of it: a small part would keep all of a large storage alive. */
const small = ({ bytes }: Storage, input: Node): boolean => bytes <= 8 * sizeOf(input.spec.shape) + 256;

/**
 * The input that nobody but this kernel looks at, now or later. A group that is about to run holds its inputs, as each of its nodes does; of
 * these, one that somebody else holds as well will read its inputs again.
 */
export function expendable({ root, inside, inputs }: Group): Node | undefined {
  if ([...inside].some((n) => n.refs > 1)) return undefined;
  const named = [root, ...inside].flatMap((n) => n.origin?.inputs ?? []);
  const last = (n: Node) => n.refs === 1 + named.filter((input) => input === n).length && lies(n).storage.refs === 1;
  return inputs.find((n) => last(n) && alike(n, root) && small(lies(n).storage, n));
}

/**
 * Who looks into each storage last, of those that run in this order; what is kept is looked at after all of them. A view that is still to be made
 * will look where its input lies.
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

/** Whether a kernel can write its result over a state's value: it is the `last` to look into its storage, and looks at nothing else there. */
export function supersedes({ root, inputs }: Group, before: Node, last: ReadonlyMap<Storage, Node>): boolean {
  const { storage } = lies(before);
  const within = inputs.filter((n) => lies(n).storage === storage);
  return last.get(storage) === root && within.length === 1 && within[0] === before && alike(before, root);
}
