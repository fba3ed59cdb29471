import { capture, keep, realize, scope, type Tensor, tensor, valueAndGradients } from "@snoopi/core";
import { adam, sgd } from "@snoopi/core/optim";
import { webgpu } from "@snoopi/kernels/node";
import type { Values } from "./networks.ts";
import type { Trainer } from "./trainer.ts";

/** This project, on the adapter: every step as one captured program, or recorded anew each time. */
export async function open(name: string): Promise<Trainer> {
  const recorded = name.endsWith("recorded");
  const device = await webgpu();
  const up = ({ shape, values }: Values): Tensor => keep(tensor(values, { shape, device }));
  const uploaded = (values: Readonly<Record<string, Values>>) => Object.fromEntries(Object.entries(values).map(([k, v]) => [k, up(v)]));
  return {
    version: device.description,
    async prepare({ optimizer: kind, lr, params: initial, batch: inputs, loss: lossOf }) {
      const params = uploaded(initial);
      const batch = inputs.map(up);
      const optimizer = (kind === "sgd" ? sgd : adam)(params, { lr, gated: true });
      const train = (...given: Tensor[]) => {
        const [loss, gradients] = valueAndGradients(params, () => lossOf(params, given));
        optimizer.step(gradients);
        return loss;
      };
      const programs: Disposable[] = [];
      const ready = (fn: typeof train) => {
        if (recorded) return fn;
        const program = capture(fn);
        programs.push(program);
        return program;
      };
      const step = ready(train);
      // The forward pass alone has parameters of its own, which no step moves.
      let alone: Readonly<Record<string, Tensor>> | undefined;
      const forward = ready((...given) => lossOf(alone!, given));
      const start = (fn: typeof step, changed: () => Tensor[]) => {
        const loss = keep(scope(() => fn(...batch)));
        const run = recorded ? realize([loss, ...changed()]) : undefined;
        return async () => {
          const value = await (run ? run.then(() => loss.item()) : loss.item());
          loss.dispose();
          return value;
        };
      };
      return {
        step: () => start(step, () => optimizer.tensors()),
        forward() {
          alone ??= uploaded(initial);
          return start(forward, () => []);
        },
        tensorBytes: () => device.memory().peakBytes,
        free() {
          for (const program of programs) program[Symbol.dispose]();
          optimizer[Symbol.dispose]();
          for (const t of [...Object.values(params), ...Object.values(alone ?? {}), ...batch]) t.dispose();
          device.trim();
        },
      };
    },
  };
}
