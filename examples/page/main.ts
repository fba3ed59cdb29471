import { cpu, type Device } from "@snoopi/core";
import { webgpu } from "@snoopi/kernels";
import { encodePng, generate, type LoadedModel, loadModel, openModel, type Request } from "@snoopi/snoopi";
import { choiceOf, type ModelChoice } from "./models.ts";

// A page that draws with snoopi. Everything runs in the browser: models may come from the Hub, but prompts never leave the page. Pictures
// stay until it is closed.

const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const form = element<HTMLFormElement>("request");
const bar = element<HTMLProgressElement>("progress");
const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement;
const say = (text: string) => {
  element("status").textContent = text;
};

const opened = open();
let model: { readonly key: string; readonly loaded: LoadedModel } | undefined;
let running: AbortController | undefined;

form.addEventListener("change", show);
show();
element("dice").addEventListener("click", () => {
  field("seed").value = String(Math.floor(Math.random() * 2 ** 32));
});
element("stop").addEventListener("click", () => running?.abort());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) draw();
});

/** Opens the GPU, or else the CPU, and shows which. */
async function open(): Promise<Device> {
  try {
    const device = await webgpu();
    element("device").textContent = `It computes on ${device.description}.`;
    return device;
  } catch (error) {
    element("device").textContent = `It computes on the CPU, slowly: ${(error as Error).message}`;
    return cpu;
  }
}

/** Shows the fields of the kind of model that is chosen. */
function show(): void {
  for (const label of form.querySelectorAll<HTMLElement>("[data-for]"))
    label.hidden = !label.dataset.for!.split(" ").includes(field("source").value);
}

/** Draws what the form asks for. With a negative, the same noise is drawn without it first, to compare. */
async function draw(): Promise<void> {
  running = new AbortController();
  const { signal } = running;
  element<HTMLButtonElement>("stop").disabled = false;
  try {
    const values = new FormData(form);
    const loaded = await modelOf(choiceOf(values), signal);
    const [prompt, negative] = [String(values.get("prompt")), String(values.get("negative")).trim()];
    const plain: Request = { prompt, seed: Number(values.get("seed")) };
    const away = { negative, nasaScale: Number(values.get("scale")) };
    for (const request of negative === "" ? [plain] : [plain, { ...plain, ...away }]) await add(loaded, request, signal);
    say("");
  } catch (error) {
    say(signal.aborted ? "Stopped." : (error as Error).message);
  } finally {
    running = undefined;
    bar.value = 0;
    element<HTMLButtonElement>("stop").disabled = true;
  }
}

/** The chosen model: the one in memory, or loaded if another was chosen. */
async function modelOf(choice: ModelChoice, signal: AbortSignal): Promise<LoadedModel> {
  if (model?.key === choice.key) return model.loaded;
  model?.loaded[Symbol.dispose]();
  model = undefined;
  say("Opening the model …");
  const description = await openModel(await choice.open(signal), choice.variant === undefined ? {} : { variant: choice.variant });
  const onBytes = (done: number, total: number) => {
    say(`Loading ${(done / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB …`);
    bar.value = total > 0 ? done / total : 1;
  };
  const loaded = await loadModel(description, { device: await opened, signal, onBytes });
  model = { key: choice.key, loaded };
  return loaded;
}

async function add(loaded: LoadedModel, request: Request, signal: AbortSignal): Promise<void> {
  const onProgress = (stage: string, done: number, total: number) => {
    say(`Drawing: ${stage} …`);
    bar.value = total > 0 ? done / total : 1;
  };
  const picture = await generate(loaded, request, { onProgress, onWarning: (text) => console.info(text), signal });
  const { prompt, negative, seed, nasaScale } = request;
  const text = { prompt, seed: String(seed), ...(negative && { negative_prompt: negative, nasa_scale: String(nasaScale) }) };
  const png = await encodePng({ ...picture, text });
  const image = Object.assign(new Image(), { src: URL.createObjectURL(new Blob([png], { type: "image/png" })), alt: prompt });
  const link = Object.assign(document.createElement("a"), {
    href: image.src,
    download: `${prompt.slice(0, 40)}-${seed}.png`,
    textContent: "save",
  });
  const caption = document.createElement("figcaption");
  caption.append(`${prompt}${negative ? `, without ${negative} (${nasaScale})` : ""}, seed ${seed} · `, link);
  const figure = document.createElement("figure");
  figure.append(image, caption);
  element("pictures").prepend(figure);
}
