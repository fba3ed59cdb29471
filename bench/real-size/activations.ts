import { createDryDevice, type DType, mean, realize, type Shape, type Tensor, valueAndGrad, vjp, zeros } from "@snoopi/core";
import { type Facts, webgpuPlan } from "@snoopi/kernels";
import { adapters, manifest, params, sd15, unet, unetConfig } from "@snoopi/models";

// What Stable Diffusion 1.5's UNet keeps for a backward pass, at full size and without its weights: from shapes only, which takes seconds.
// Prints the table of docs/training.md. One picture of 512×512 (latents 64×64), 77 tokens. Weights are f16 or, with --f32, f32. Activations
// have the type of latents and tokens: f32 and f16 in turn.

/** A GPU with room, without subgroups of one size. */
const facts: Facts = { subgroupSize: undefined, software: false, maxBindingBytes: 2 ** 31 - 4, maxBufferBytes: 2 ** 31 - 4, maxInputs: 7 };

const dtype: DType = process.argv.includes("--f32") ? "f32" : "f16";
const config = unetConfig(sd15.unet);
const shapes = manifest((p) => unet(p, config));
const rank = 16;
const adapted = /attn\d\.to_(q|k|v|out\.0)$/;

const cases = ["all weights", "adapters", "the latents"] as const;
type Named = ReadonlyMap<string, Tensor>;

async function measure(trained: (typeof cases)[number], activations: DType, checkpoint: boolean) {
  const device = createDryDevice(webgpuPlan(facts));
  let results = 0;
  const { run: call, elementwise } = device;
  device.run = (op, attrs, inputs, out, extras) => {
    for (const { storage } of [out, ...extras]) results += storage.bytes;
    call(op, attrs, inputs, out, extras);
  };
  device.elementwise = (expression, inputs, out) => {
    results += out.storage.bytes;
    elementwise(expression, inputs, out);
  };
  const make = (shape: Shape) => zeros(shape, { dtype, device });
  const weights: Named = new Map([...shapes].map(([name, shape]) => [name, make(shape)]));
  const style: Named = new Map(
    [...shapes].flatMap(([name, [out, width]]): [string, Tensor][] => {
      const path = name.replace(/\.weight$/, "");
      if (!adapted.test(path)) return [];
      return [
        [`${path}.lora_A.weight`, make([rank, width])],
        [`${path}.lora_B.weight`, make([out, rank])],
      ];
    }),
  );
  const x = zeros([1, 4, 64, 64], { dtype: activations, device });
  const tokens = zeros([1, 77, 768], { dtype: activations, device });
  await realize([...weights.values(), ...style.values(), x, tokens]);

  /** Builds the network from `own`, so that only what is differentiated is tracked. */
  const run = (own: { readonly weights: Named; readonly style: Named; readonly x: Tensor }): Tensor => {
    const lora = adapters();
    const net = unet(lora.wrap(params((name) => own.weights.get(name)!)), config);
    if (trained === "adapters") {
      lora.load("style", own.style);
      lora.use("style");
    }
    return net(own.x, 500, { tokens }, { checkpoint });
  };
  const all = { weights, style, x };
  const [part, fn] = {
    "all weights": [weights, (own: Named) => run({ ...all, weights: own })] as const,
    adapters: [style, (own: Named) => run({ ...all, style: own })] as const,
    "the latents": [x, (own: Tensor) => run({ ...all, x: own })] as const,
  }[trained] as [unknown, (own: unknown) => Tensor];

  // After the forward pass, its tape is all that still holds memory.
  const [before, start] = [device.memory().bytes, results];
  const [y, pull] = vjp(fn, part);
  await realize([y]);
  const written = results - start;
  y.dispose();
  const kept = device.memory().bytes - before;
  pull[Symbol.dispose]();

  // Both passes in one go, gradients included.
  const [loss, gradients] = valueAndGrad((own: unknown) => mean(fn(own)))(part);
  const own = gradients instanceof Map ? [...(gradients as Named).values()] : [gradients as Tensor];
  await realize([loss, ...own]);
  return { written, kept, peak: device.memory().peakBytes - before };
}

const gib = (n: number): string => (n / 2 ** 30).toFixed(n < 2 ** 27 ? 3 : 2);
console.log(
  `| gradients of (${dtype} weights) | activations | everything written | kept | kept with checkpoints | peak of the step | with checkpoints |`,
);
console.log("| --- | --- | --: | --: | --: | --: | --: |");
for (const activations of ["f32", "f16"] as const) {
  for (const trained of cases) {
    const [plain, thrifty] = [await measure(trained, activations, false), await measure(trained, activations, true)];
    const figures = [plain.written, plain.kept, thrifty.kept, plain.peak, thrifty.peak];
    console.log(`| ${trained} | ${activations} | ${figures.map(gib).join(" | ")} |`);
  }
}
