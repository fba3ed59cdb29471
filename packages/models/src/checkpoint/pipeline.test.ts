import { expect, test } from "vitest";
import { filesFolder } from "./folder.ts";
import { openPipelineFolder } from "./pipeline.ts";

const folder = (files: Record<string, unknown>) =>
  filesFolder(
    new Map(Object.entries(files).map(([path, json]) => [path, new Blob([typeof json === "string" ? json : JSON.stringify(json)])])),
    "m",
  );

const modelIndex = {
  _class_name: "StableDiffusionPipeline",
  _diffusers_version: "0.6.0",
  feature_extractor: [null, null],
  requires_safety_checker: true,
  image_size: null,
  safety_checker: ["stable_diffusion", "StableDiffusionSafetyChecker"],
  scheduler: ["diffusers", "PNDMScheduler"],
  unet: ["diffusers", "UNet2DConditionModel"],
};

test("model_index.json tells components, absent ones and arguments apart", async () => {
  const pipeline = await openPipelineFolder(
    folder({ "model_index.json": modelIndex, "unet/config.json": { a: 1 }, "scheduler/scheduler_config.json": { b: 2 } }),
  );
  expect(pipeline.className).toBe("StableDiffusionPipeline");
  expect([...pipeline.components.keys()]).toEqual(["safety_checker", "scheduler", "unet"]);
  expect(pipeline.args).toEqual({ requires_safety_checker: true, image_size: null });
  expect(await pipeline.config("unet")).toEqual({ a: 1 });
  expect(await pipeline.config("scheduler")).toEqual({ b: 2 });
  await expect(pipeline.config("vae")).rejects.toThrow(
    'm/model_index.json: there is no component "vae", only safety_checker, scheduler, unet.',
  );
  await expect(pipeline.weights("unet")).rejects.toThrow("m/unet: there are no weights");
  await expect(pipeline.config("safety_checker")).rejects.toThrow("m/safety_checker: there is neither a config.json nor");
});

test("a variant that no component has is refused, and one that some have is not", async () => {
  const files = {
    "model_index.json": modelIndex,
    "unet/diffusion_pytorch_model.safetensors": "",
    "unet/diffusion_pytorch_model.fp16.safetensors": "",
    "safety_checker/model.safetensors": "",
  };
  await expect(openPipelineFolder(folder(files), { variant: "fp16" })).resolves.toBeDefined();
  await expect(openPipelineFolder(folder(files), { variant: "fp8" })).rejects.toThrow(
    'm: no component has weights of the variant "fp8". There are plain ones, "fp16".',
  );
  await expect(openPipelineFolder(folder({ "model_index.json": modelIndex }), { variant: "fp8" })).rejects.toThrow("There are none.");
});

test.each<[string, Record<string, unknown>, string]>([
  ["without model_index.json", {}, "m: there is no model_index.json, so this is not a diffusers pipeline. Give the folder that holds it."],
  ["of a single component", { "config.json": {} }, "It looks like a single component of one."],
  [
    "with its own code",
    { "model_index.json": { _class_name: ["pipeline", "Mine"] } },
    "is code inside the model folder, which is never run",
  ],
  ["without a class", { "model_index.json": {} }, "_class_name is undefined"],
  [
    "with a component named like a path",
    { "model_index.json": { _class_name: "P", "../x": ["diffusers", "A"] } },
    'the component "../x" is',
  ],
  ["with an index that is a list", { "model_index.json": [] }, "m/model_index.json: this is not a JSON object"],
  ["with an index that is not JSON", { "model_index.json": "<html>" }, "m/model_index.json: this is not JSON"],
])("a folder %s is refused", async (_, files, message) => {
  await expect(openPipelineFolder(folder(files))).rejects.toThrow(message);
});
