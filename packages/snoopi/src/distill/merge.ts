import { add, cast, mul, noGrad, SnoopiError, scope, show, type Tensor } from "@snoopi/core";

/**
 * Merges two students of one architecture: `λ·θ_A + (1 − λ)·θ_B` (SNOOPI A5, SwiftBrush v2), in f32 and stored in A's types. Default λ 0.5.
 * @throws SnoopiError when one has a parameter that the other lacks or has in another shape.
 */
export function mergeStudents(
  a: ReadonlyMap<string, Tensor>,
  b: ReadonlyMap<string, Tensor>,
  { lambda = 0.5 }: { readonly lambda?: number } = {},
): Map<string, Tensor> {
  if (!Number.isFinite(lambda)) throw new SnoopiError(`merge: λ is ${lambda}. Give a finite number.`);
  for (const name of b.keys())
    if (!a.has(name)) throw new SnoopiError(`merge: only the second student has "${name}". Merge two of one form.`);
  return noGrad(
    () =>
      new Map(
        [...a].map(([name, first]) => {
          const second = b.get(name);
          if (!second) throw new SnoopiError(`merge: only the first student has "${name}". Merge two of one form.`);
          if (show(first.shape) !== show(second.shape)) {
            throw new SnoopiError(
              `merge: "${name}" is ${show(first.shape)} in one and ${show(second.shape)} in the other. Merge two of one form.`,
            );
          }
          const mixed = () => {
            const [x, y] = [cast(first, "f32"), cast(second, "f32")];
            return cast(add(mul(x, lambda), mul(y, 1 - lambda)), first.dtype);
          };
          return [name, scope(mixed)];
        }),
      ),
  );
}
