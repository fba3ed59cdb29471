import { scope, type Tensor, tensor, zeros } from "@snoopi/core";
import { load, type Params, params, type plain, type UNet, unet, unetConfig } from "@snoopi/models";
import { nasa } from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError } from "../models/goldens.ts";
import { loadTiny } from "../models/tiny-component.ts";
import { steer } from "./steer.ts";
import { checkpoints } from "./tiny.ts";

// NASA in whole networks. What it does in one layer is in nasa-layer.test.ts.

interface Case {
  readonly name: string;
  readonly scale: number | readonly number[];
  readonly timestep: number;
}

// f32 sums in another order, as for the UNet alone.
const f32 = 1e-4;

const network = {
  component: "unet",
  kind: "unet",
  parse: unetConfig,
  build: (p: Params, config: Parameters<typeof unet>[1]) => unet(p, config),
} as const;

for (const { name, device } of devices) {
  describe.each(checkpoints)(`NASA in the UNet of %s on ${name}`, (checkpoint) => {
    const cases: readonly Case[] = goldenJson(`nasa/${checkpoint}`).cases;
    let weights: ReadonlyMap<string, Tensor>;
    let net: UNet;
    let netOf: (tensors: ReadonlyMap<string, Tensor>) => UNet;
    let golden: Awaited<ReturnType<typeof goldenTensors>>;
    beforeAll(async () => {
      const tiny = await loadTiny(checkpoint, network, { device, dtype: "f32" });
      weights = tiny.tensors;
      netOf = (tensors) => unet(params(load(tensors)), tiny.config);
      net = netOf(weights);
      golden = await goldenTensors(`nasa/${checkpoint}`);
    });
    afterAll(() => {
      for (const weight of weights.values()) weight.dispose();
    });

    const inputsOf = ({ name, scale, timestep }: Case) => {
      const at = (what: string) => golden(`${name}.${what}`, { device });
      const mask = name === "masked negative" ? { mask: at("negative_mask") } : {};
      return {
        x: at("sample"),
        timestep,
        positive: { tokens: at("encoder_hidden_states") },
        negative: { tokens: at("negative_hidden_states"), ...mask },
        scale: typeof scale === "number" ? scale : tensor([...scale], { device }),
        expected: at("output"),
      };
    };

    test.each(cases)("computes what the reference does: $name", (one) =>
      scope(async () => {
        const { x, timestep, positive, negative, scale, expected } = inputsOf(one);
        expect(await relativeError(net(x, timestep, positive, { attend: steer({ negative, scale }) }), expected)).toBeLessThan(f32);
      }),
    );

    test("at scale 0 is the network without it, bit for bit", () =>
      scope(async () => {
        const { x, timestep, positive, negative } = inputsOf(cases[0]);
        const out = await net(x, timestep, positive).data();
        expect(await net(x, timestep, positive, { attend: steer({ negative, scale: 0 }) }).data()).toEqual(out);
        // And as a tensor, which takes no branch: z − 0·z₋.
        expect(await net(x, timestep, positive, { attend: steer({ negative, scale: zeros([x.shape[0]], { device }) }) }).data()).toEqual(
          out,
        );
      }));

    test("at scale 1 away from the prompt itself leaves of cross-attention the biases of its projections, and all else as it was", () =>
      scope(async () => {
        const { x, timestep, positive } = inputsOf(cases[0]);
        const silenced = new Map(
          [...weights].map(([path, weight]) => [path, path.endsWith(".attn2.to_out.0.weight") ? zeros(weight.shape, { device }) : weight]),
        );
        const out = net(x, timestep, positive, { attend: steer({ negative: positive, scale: 1 }) });
        expect(await out.data()).toEqual(await netOf(silenced)(x, timestep, positive).data());
      }));

    test("projects the negative once a layer, however often the network runs, and gives its memory back", () =>
      scope(async () => {
        const { x, timestep, positive, negative } = inputsOf(cases[1]);
        const layers = [...weights.keys()].filter((path) => path.endsWith(".attn2.to_k.weight")).length;
        const projected = new Map([
          [positive, 0],
          [negative, 0],
        ]);
        const counting = new Map<string, Parameters<typeof plain>[2]>();
        const steering = nasa({ negative, scale: 0.5 });
        const steered = steering();
        const run = () =>
          scope(async () => {
            const out = net(x, timestep, positive, {
              attend: (q, context, layer) => {
                const keysValues: typeof layer.keysValues = (of) => {
                  projected.set(of, projected.get(of)! + 1);
                  return layer.keysValues(of);
                };
                if (!counting.has(layer.path)) counting.set(layer.path, { ...layer, keysValues });
                return steered(q, context, counting.get(layer.path)!);
              },
            });
            return await out.data();
          });
        await net(x, timestep, positive).data();
        await negative.tokens.data();
        const before = device.memory();
        const first = await run();
        expect(await run()).toEqual(first);
        expect(await run()).toEqual(first);
        expect([projected.get(positive), projected.get(negative)]).toEqual([3 * layers, layers]);
        const held = device.memory();
        steering[Symbol.dispose]();
        const after = device.memory();
        expect(held.tensors - after.tensors).toBe(2 * layers);
        // Not equal: the garbage collector may have freed, meanwhile, what other tests forgot.
        expect(after.tensors).toBeLessThanOrEqual(before.tensors);
        expect(after.bytes).toBeLessThanOrEqual(before.bytes);
      }));

    test("follows one network after another", () =>
      scope(async () => {
        const { x, timestep, positive, negative } = inputsOf(cases[1]);
        const doubled = netOf(new Map([...weights].map(([path, weight]) => [path, path.includes(".attn2.") ? weight.mul(2) : weight])));
        const outputs = [net, doubled].map((network) => network(x, timestep, positive, { attend: steer({ negative, scale: 0.5 }) }));
        const steered = steer({ negative, scale: 0.5 });
        for (const [i, network] of [net, doubled, net].entries()) {
          const out = network(x, timestep, positive, { attend: steered });
          expect(await out.data()).toEqual(await outputs[i % 2].data());
        }
        expect(await relativeError(outputs[1], outputs[0])).toBeGreaterThan(1e-3);
      }));
  });
}
