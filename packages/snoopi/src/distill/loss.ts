import { cast, mean, mul, OpError, sameShape, show, square, stopGradient, sub, type Tensor } from "@snoopi/core";

/**
 * Variational score distillation as an ordinary loss: `½·mean((x̂₀ − stopgrad(x̂₀ − g))²)`, a scalar in f32, whose gradient in x̂₀ is
 * g / numel(x̂₀) for a cotangent g such as `vsdCotangent`'s. The value is ½·mean(g²): it tells how far the scores are apart and need
 * not fall.
 */
export function distillationLoss(x0: Tensor, g: Tensor): Tensor {
  if (!sameShape(x0.shape, g.shape)) throw new OpError("distillationLoss", `x₀ is ${show(x0.shape)} and its cotangent ${show(g.shape)}`);
  const picture = cast(x0, "f32");
  const target = stopGradient(sub(picture, g));
  return mul(mean(square(sub(picture, target))), 0.5);
}
