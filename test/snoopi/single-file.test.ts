import { join } from "node:path";
import { createCpu, createDryDevice } from "@snoopi/core";
import { blobSource, hubFolder, openLora, type SingleFileOptions, singleFileFolder } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { estimate, generate, loadModel, openModel, type Request, timesteps } from "@snoopi/snoopi";
import { describe, expect, test } from "vitest";
import { serveHub } from "../hub-server.ts";
import { goldenFolder } from "../models/goldens.ts";
import { bytesOf, folderOf, type Tensors, tinyFile } from "../models/single-files.ts";
import { openTiny } from "./tiny.ts";

const request: Request = { prompt: "a red cat, it's Café 猫", negative: "dog", steps: 1, seed: 3 };
const opened = async (tensors: Tensors, options: SingleFileOptions) =>
  openModel(await singleFileFolder(folderOf(blobSource(bytesOf(tensors))), "model.safetensors", options));

describe.each(["sd15-tiny", "sd21-tiny"] as const)("%s in a single file", (checkpoint) => {
  test("makes the picture that its folder makes, bit for bit, and takes as much for it", async () => {
    const { tensors, options } = await tinyFile(checkpoint);
    const [one, whole] = [await opened(tensors, options), await openTiny(checkpoint)];
    const device = createCpu();
    const pictures = [];
    for (const model of [one, whole]) {
      const warnings: string[] = [];
      using loaded = await loadModel(model, { device, onWarning: (text) => warnings.push(text) });
      pictures.push(await generate(loaded, request));
      expect(warnings).toEqual([]);
    }
    expect(new Set(pictures[0]!.data).size).toBeGreaterThan(20);
    expect(pictures[0]).toEqual(pictures[1]);
    const cost = (model: typeof one) => estimate(model, {}, { device: createDryDevice() });
    expect(await cost(one)).toEqual(await cost(whole));
  });

  test("warns of a tensor that nobody knows", async () => {
    const { tensors, options } = await tinyFile(checkpoint);
    tensors.set("extra", { dtype: "f32", shape: [1], data: new Float32Array(1) });
    const warnings: string[] = [];
    using _ = await loadModel(await opened(tensors, options), { device: createCpu(), onWarning: (text) => warnings.push(text) });
    expect(warnings).toEqual(["unet: ignored 1 of the file's tensors, which the network does not have: extra."]);
  });
});

test("on a hub it is read where it is, tensor by tensor, and of its weights nothing comes twice", async () => {
  const { tensors, options } = await tinyFile("sd15-tiny");
  const bytes = new Uint8Array(await bytesOf(tensors).arrayBuffer());
  await using hub = await serveHub({ repo: "owner/tiny", files: new Map([["model.safetensors", bytes]]) });
  const model = await openModel(
    await singleFileFolder(await hubFolder("owner/tiny", { endpoint: hub.endpoint }), "model.safetensors", options),
  );
  const ranges = () => hub.asked.flatMap(({ host, range }) => (host === "storage" ? [range!] : []));
  // Its first bytes, and the header.
  expect(ranges()).toEqual(["bytes=0-63", expect.stringMatching(/^bytes=8-\d+$/)]);
  using _ = await loadModel(model, { device: createCpu() });
  expect(new Set(ranges()).size).toBe(ranges().length);
  const parameters = [...tensors].filter(
    ([name]) => !name.startsWith("first_stage_model.encoder") && !name.startsWith("first_stage_model.quant"),
  );
  expect(ranges().length).toBe(2 + parameters.length);
});

test("a LoRA is added to a single file as to its folder", async () => {
  const { tensors, options } = await tinyFile("sd15-tiny");
  const device = createCpu();
  const pictures = [];
  const lora = await openLora(nodeFolder(join(goldenFolder, "lora")), "kohya.safetensors");
  for (const model of [await opened(tensors, options), await openTiny("sd15-tiny")]) {
    using loaded = await loadModel(model, { device, loras: [{ lora, scale: 0.7 }] });
    pictures.push(await generate(loaded, request));
  }
  await lora.close();
  expect(pictures[0]).toEqual(pictures[1]);
});

test("a checkpoint that is marked for velocity and pure noise begins there, and makes a picture", async () => {
  const { tensors, options } = await tinyFile("sd15-tiny");
  for (const mark of ["v_pred", "ztsnr"]) tensors.set(mark, { dtype: "f32", shape: [0], data: new Float32Array(0) });
  const model = await opened(tensors, options);
  expect(model.schedule.config.predictionType).toBe("v_prediction");
  expect([model.schedule.alpha(999), ...timesteps(model.schedule, 4)]).toEqual([0, 999, 749, 499, 249]);
  using loaded = await loadModel(model, { device: createCpu() });
  expect(new Set((await generate(loaded, { ...request, steps: 2 })).data).size).toBeGreaterThan(20);
});

test("sizes that are not the file's are refused before weights are read", async () => {
  const { tensors, options } = await tinyFile("sd15-tiny");
  const { options: other } = await tinyFile("sd21-tiny");
  const model = await opened(tensors, { ...options, configs: { ...options.configs, vae: other.configs.vae } });
  await expect(loadModel(model, { device: createCpu() })).rejects.toThrow(/^DIR\/model\.safetensors\/vae: \d+ tensors missing: /);
});
