import { isFloat } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import { show } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { mapTree } from "../tree.ts";

/** The tensors of a tree by their paths, such as `down.0.weight`. @throws SnoopiError when two have the same path. */
export function named(tree: unknown, what: string): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  mapTree(tree, (t, path) => {
    if (found.has(path)) throw new SnoopiError(`${what}: two tensors are at the path "${path}". Name one of them otherwise.`);
    found.set(path, t);
    return t;
  });
  return found;
}

/** The parameters of a tree: floats on one device, each once. @throws SnoopiError for anything else. */
export function parametersOf(tree: unknown, what: string): Map<string, Tensor> {
  const params = named(tree, what);
  const [first] = params.values();
  if (!first) throw new SnoopiError(`${what}: there are no parameters. Pass tensors in an array or a plain object.`);
  if (new Set(params.values()).size < params.size)
    throw new SnoopiError(`${what}: one of the ${params.size} parameters is there twice. Pass each once.`);
  for (const [name, t] of params) {
    if (!isFloat(t.dtype))
      throw new SnoopiError(`${what}: parameter "${name}" is ${t.dtype} ${show(t.shape)}. Only floats can be trained.`);
    if (t.device !== first.device) {
      throw new SnoopiError(`${what}: parameter "${name}" is on ${t.device.name} and the first on ${first.device.name}. Use one device.`);
    }
  }
  return params;
}

/** `"a"`, or the first three of many. */
const listed = (names: readonly string[]): string => {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return `${shown.join(", ")}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ""}`;
};

/**
 * The gradients in the order of `params`: matched by path, or by position in a tree where no path matches.
 * @throws SnoopiError when they are not one for each, of its shape, and on its device.
 */
export function gradientsFor(params: ReadonlyMap<string, Tensor>, tree: unknown, what: string): Tensor[] {
  const found = named(tree, what);
  const missing = [...params.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !params.has(name));
  const inOrder = missing.length === params.size && found.size === params.size;
  if (!inOrder && (missing.length > 0 || unexpected.length > 0)) {
    const counts = `${found.size} gradients for ${params.size} parameters`;
    const byPath = missing.length < params.size;
    const wrong = [missing.length > 0 && `none for ${listed(missing)}`, unexpected.length > 0 && `one for ${listed(unexpected)}`];
    throw new SnoopiError(
      byPath
        ? `${what}: ${counts}: ${wrong.filter(Boolean).join(", ")}. Give the optimiser what is trained, and a gradient for each of it.`
        : `${what}: ${counts}. Pass one for each, in their order.`,
    );
  }
  const gradients = inOrder ? [...found.values()] : [...params.keys()].map((name) => found.get(name)!);
  [...params].forEach(([name, p], i) => {
    const g = gradients[i];
    if (!isFloat(g.dtype) || show(g.shape) !== show(p.shape) || g.device !== p.device) {
      const described = (t: Tensor) => `${t.dtype} ${show(t.shape)} on ${t.device.name}`;
      throw new SnoopiError(
        `${what}: the gradient of "${name}" is ${described(g)} and the parameter ${described(p)}. Pass its own gradient.`,
      );
    }
  });
  return gradients;
}
