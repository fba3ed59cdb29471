// What runs in a page with everything: the test calls these functions by their names.
import { type WebGpuDevice, webgpu } from "@snoopi/kernels";
import { filesFolder, type HubOptions, hubFolder } from "@snoopi/models";
import { generate, type LoadedModel, loadModel, openModel, type Request } from "@snoopi/snoopi";
import { computeOn } from "./compute.ts";

let device: WebGpuDevice | undefined;
let files: ReadonlyMap<string, Blob> | undefined;
let model: LoadedModel | undefined;

/** Opens the GPU that all other functions use, and says which it is. */
export async function open(): Promise<string> {
  device = await webgpu();
  return device.description;
}

export const computeOnGpu = () => computeOn(device!);

/** Fetches the files of a checkpoint; `load` reads the blobs that this leaves. */
export async function fetchFiles(paths: readonly string[]): Promise<void> {
  const blobs = await Promise.all(paths.map(async (path) => [path, await (await fetch(`/model/${path}`)).blob()] as const));
  files = new Map(blobs);
}

export async function load(): Promise<void> {
  model = await loadModel(await openModel(filesFolder(files!, "model")), { device: device! });
}

/** Loads a model from a hub of another origin, tensor by tensor. */
export async function loadFromHub(repo: string, options: HubOptions): Promise<void> {
  model = await loadModel(await openModel(await hubFolder(repo, options)), { device: device! });
}

export async function picture(request: Request): Promise<{ width: number; height: number; data: number[] }> {
  const { width, height, data } = await generate(model!, request);
  return { width, height, data: [...data] };
}

/** Frees the model. Returns how many tensors are left on the device. */
export async function unload(): Promise<number> {
  model![Symbol.dispose]();
  model = undefined;
  await device!.idle();
  return device!.memory().tensors;
}

/** What `webgpu` says in a page that has none. */
export const failure = (): Promise<string> =>
  webgpu().then(
    () => "none",
    (error: Error) => error.message,
  );
