import { isTensor, type Tensor } from "./tensor.ts";

/** Tensors in nested arrays, plain objects and `Map`s. Anything else in them passes through untouched. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree } | unknown;

/** A tree of the same form with every tensor replaced. */
export function mapTree<T>(tree: T, fn: (t: Tensor, path: string) => Tensor, path = ""): T {
  const join = (key: string | number) => (path ? `${path}.${key}` : `${key}`);
  if (isTensor(tree)) return fn(tree, path) as T;
  if (Array.isArray(tree)) return tree.map((v, i) => mapTree(v, fn, join(i))) as T;
  if (tree instanceof Map) return new Map([...tree].map(([k, v]) => [k, mapTree(v, fn, join(String(k)))])) as T;
  if (isRecord(tree)) return Object.fromEntries(Object.entries(tree).map(([k, v]) => [k, mapTree(v, fn, join(k))])) as T;
  return tree;
}

/** The tensors of a tree, in the order {@link mapTree} meets them. */
export function leaves(tree: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapTree(tree, (t) => {
    found.push(t);
    return t;
  });
  return found;
}

/** Whether a value is a plain object, of no class, whose entries belong to a tree. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
