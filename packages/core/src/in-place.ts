import type { Group } from "./fuse.ts";
import { isDense } from "./layout.ts";
import type { Materialized, Node, Storage } from "./node.ts";
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

/** Whether a kernel can write its result over a state's value: it reads it, and none of what is read `later` or `kept` looks into its storage. */
export function supersedes(
  { root, inputs }: Group,
  before: Node,
  { later, kept }: { readonly later: Iterable<readonly Node[]>; readonly kept: Iterable<Node> },
): boolean {
  const { storage } = lies(before);
  const within = (n: Node) => n.value?.storage === storage;
  if (!inputs.includes(before) || inputs.filter(within).length > 1 || !alike(before, root)) return false;
  for (const n of kept) if (within(n)) return false;
  for (const read of later) if (read.some(within)) return false;
  return true;
}
