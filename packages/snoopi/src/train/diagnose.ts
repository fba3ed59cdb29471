import { keep, mapTree, noGrad, scope, type Tensor, valueAndGradients } from "@snoopi/core";
import { allFinite } from "@snoopi/core/optim";
import { type Batch, type Stage, uploaded } from "./stage.ts";

/**
 * The first tensor of a step that is not finite, in the order in which a step makes them: the batch, the parameters, the parts of the loss,
 * the loss, the gradients. It computes the step again, without updating anything.
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
      return { input: inputs, parameter: stage.parameters, "loss's part": told, loss, "gradient of": gradients };
    });
    try {
      return await firstOf(groups);
    } finally {
      for (const t of Object.values(groups["loss's part"])) t.dispose();
    }
  });
}

/** The first tensor that is not finite, as `the KIND NAME`, or `the KIND` if its group is one tensor. `groups` are trees by kind. */
export async function firstOf(groups: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  for (const [kind, tree] of Object.entries(groups)) {
    for (const [name, t] of named(tree)) {
      if (t.dtype === "i32") continue;
      using finite = keep(noGrad(() => scope(() => allFinite([t]))));
      if ((await finite.data())[0] === 0) return name === "" ? `the ${kind}` : `the ${kind} ${name}`;
    }
  }
  return undefined;
}

function named(tree: unknown): [string, Tensor][] {
  const found: [string, Tensor][] = [];
  mapTree(tree, (t, path) => {
    found.push([path, t]);
    return t;
  });
  return found;
}
