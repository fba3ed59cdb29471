import { keep, noGrad, scope, type Tensor, valueAndGradients } from "@snoopi/core";
import { allFinite } from "@snoopi/core/optim";
import { type Batch, type Stage, uploaded } from "./stage.ts";

/**
 * Which tensor of a step is the first that is not finite, in the order in which a step makes them: the batch, the parameters, what the loss is
 * made of, the loss, the gradients. It computes the step again, without moving anything.
 */
export async function firstNotFinite(stage: Stage, batch: Batch): Promise<string | undefined> {
  return scope(async (s) => {
    const groups = s.run(() => {
      const inputs = uploaded(batch, stage.device);
      let told: Readonly<Record<string, Tensor>> = {};
      const [loss, gradients] = valueAndGradients(stage.parameters, () => {
        const { loss, ...others } = stage.loss(inputs);
        told = Object.fromEntries(Object.entries(others).map(([name, t]) => [name, keep(t)]));
        return loss;
      });
      return { input: inputs, parameter: stage.parameters, "loss's part": told, loss: { loss }, "gradient of": gradients };
    });
    try {
      for (const [kind, tensors] of Object.entries(groups)) {
        for (const [name, t] of Object.entries(tensors as Record<string, Tensor>)) {
          if (t.dtype === "i32") continue;
          const finite = s.run(() => noGrad(() => allFinite([t])));
          if ((await finite.data())[0] === 0) return kind === "loss" ? "the loss" : `the ${kind} ${name}`;
        }
      }
      return undefined;
    } finally {
      for (const t of Object.values(groups["loss's part"])) t.dispose();
    }
  });
}
