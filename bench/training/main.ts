import { capture, keep, realize, scope, type Tensor, tensor, valueAndGradients } from "@snoopi/core";
import { adamw, sgd } from "@snoopi/core/optim";
import { webgpu } from "@snoopi/kernels/node";
import { pollGently } from "../browser-gpu.ts";
import { median, minimum } from "../numbers.ts";
import { table } from "../report.ts";
import { type Network, networks, type Values } from "./networks.ts";

/** One training step of small networks, as one captured program and recorded anew each time. `npm run bench` measures ops, this what they add up to. */
const rounds = Number(process.argv[2] ?? 10);
const ms = (x: number): string => x.toFixed(x >= 100 ? 0 : 2);

const rows = [["step", "", "best ms", "median ms", "dispatches", "JS µs a dispatch", "peak MB", "backward/forward", "first and last loss"]];
for (const network of networks) {
  for (const how of ["captured", "recorded"] as const) rows.push(await measure(network, how));
}
console.log(table(rows));
for (const { name } of networks) {
  const [a, b] = rows.filter((r) => r[0] === name).map((r) => r[r.length - 1]);
  if (a !== b) throw new Error(`${name}: captured, the loss goes ${a}, recorded ${b}`);
}
process.exit(0);

async function measure(network: Network, how: "captured" | "recorded"): Promise<string[]> {
  // One device each: what it held at most is never forgotten.
  const device = await webgpu();
  if (device.facts.software) pollGently();
  const up = ({ shape, values }: Values): Tensor => keep(tensor(values, { shape, device }));
  const params = Object.fromEntries(Object.entries(network.params).map(([name, v]) => [name, up(v)]));
  const batch = network.batch.map(up);
  const optimizer =
    network.optimizer === "sgd" ? sgd(params, { lr: network.lr, gated: true }) : adamw(params, { lr: network.lr, gated: true });
  const train = (...inputs: Tensor[]) => {
    const [loss, gradients] = valueAndGradients(params, () => network.loss(params, inputs));
    optimizer.step(gradients);
    return loss;
  };
  const captured = capture(train);
  const forward = capture((...inputs: Tensor[]) => network.loss(params, inputs));
  const step = how === "captured" ? captured : train;
  const losses: number[] = [];
  const once = async () => {
    const begin = performance.now();
    const loss = keep(scope(() => step(...batch)));
    const host = performance.now() - begin;
    if (how === "recorded") await realize([loss, ...optimizer.tensors()]);
    losses.push(await loss.item());
    loss.dispose();
    return [performance.now() - begin, host];
  };
  // Compilation, and the comparison at the second call.
  for (let i = 0; i < 3; i++) await once();
  const samples: number[][] = [];
  for (let i = 0; i < rounds; i++) samples.push(await once());
  const { peakBytes } = device.memory();
  const best = minimum(samples.map(([all]) => all));
  let rest = ["", "", ""];
  if (how === "captured") {
    const forwards: number[] = [];
    for (let i = 0; i < rounds + 3; i++) {
      const begin = performance.now();
      const loss = forward(...batch);
      await loss.item();
      forwards.push(performance.now() - begin);
      loss.dispose();
    }
    const alone = minimum(forwards.slice(3));
    rest = [
      `${captured.dispatches}`,
      ((1000 * minimum(samples.map(([, host]) => host))) / captured.dispatches).toFixed(1),
      (best / alone - 1).toFixed(2),
    ];
  }
  const row = [
    network.name,
    how,
    ms(best),
    ms(median(samples.map(([all]) => all))),
    rest[0],
    rest[1],
    (peakBytes / 1e6).toFixed(1),
    rest[2],
    `${losses[0].toFixed(4)} → ${losses[losses.length - 1].toFixed(4)}`,
  ];
  captured[Symbol.dispose]();
  forward[Symbol.dispose]();
  optimizer[Symbol.dispose]();
  for (const t of [...Object.values(params), ...batch]) t.dispose();
  return row;
}
