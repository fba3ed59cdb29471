import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cpu } from "@snoopi/core";
import type { Request } from "@snoopi/snoopi";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../scripts/setup/browser.mjs";
import { browserExamples } from "../examples.ts";
import { filesOf, serveHub } from "../hub-server.ts";
import { goldenFolder, goldenTensors } from "../models/goldens.ts";
import { type Bundle, bundle } from "./bundle.ts";
import { openChromium } from "./chromium.ts";
import { computeOn } from "./compute.ts";
import type * as whole from "./page.ts";
import type * as coreAlone from "./page-core.ts";
import { type Served, serve } from "./serve.ts";

const found = findChromium(process.env);
const missing = "there is no Chromium: npm run setup installs it on Debian, or set CHROMIUM_PATH";
if (!found && process.env.CI) throw new Error(`The browser tests cannot run: ${missing}.`);
if (!found) console.warn(`The browser tests do not run: ${missing}.`);

const checkpoint = join(goldenFolder, "sd15-tiny");
const files = readdirSync(checkpoint, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => join(parentPath, name).slice(checkpoint.length + 1));

// Sums of at most 70 products of numbers near 1, in f32 and in another order, beside results near 10: 70 · 2⁻²⁴ ≈ 4e-6 of them.
const tolerance = 1e-5;

const examples = browserExamples(join(import.meta.dirname, "..", ".."));

/** A page of the browser and what it complained about. */
interface Tab<Module> {
  readonly page: Page;
  readonly complaints: string[];
  /** Calls a function that the page's script exports. */
  call<K extends keyof Module>(
    name: K,
    ...args: Module[K] extends (...args: infer A) => unknown ? A : never
  ): Promise<Module[K] extends (...args: any[]) => infer R ? Awaited<R> : never>;
}

let [browser, server]: [Browser?, Served?] = [];

async function openTab<Module>({ entry }: Bundle, init?: string): Promise<Tab<Module>> {
  const page = await browser!.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  if (init) await page.addInitScript(init);
  await page.goto(server!.url);
  return {
    page,
    complaints,
    // As text: the test's own bundler would rewrite the import of a function.
    call: (name, ...args) => page.evaluate(`import("/${entry}").then((module) => module.${String(name)}(...${JSON.stringify(args)}))`),
  };
}

function expectClose(got: Record<string, number[]>, expected: Record<string, number[]>): void {
  expect(Object.keys(got)).toEqual(Object.keys(expected));
  for (const [name, numbers] of Object.entries(expected)) {
    const scale = Math.max(1, ...numbers.filter(Number.isFinite).map(Math.abs));
    const worst = Math.max(...numbers.map((v, i) => (v === got[name]![i] ? 0 : Math.abs(v - got[name]![i]!) / scale)));
    expect(worst, name).toBeLessThan(tolerance);
    expect(got[name], name).toHaveLength(numbers.length);
  }
}

describe.skipIf(!found)(`in a browser${found ? "" : ` (${missing})`}`, () => {
  let expected: Record<string, number[]>;
  let [coreBundle, wholeBundle]: [Bundle?, Bundle?] = [];
  let exampleBundles: Bundle[] = [];

  beforeAll(async () => {
    [coreBundle, wholeBundle] = await Promise.all(
      ["page-core", "page"].map((name) => bundle(name, { path: join(import.meta.dirname, `${name}.ts`) })),
    );
    exampleBundles = await Promise.all(examples.map(({ code }, i) => bundle(`example${i}`, { code })));
    server = await serve(new Map([coreBundle!, wholeBundle!, ...exampleBundles].flatMap(({ files }) => [...files])), checkpoint, files);
    browser = await openChromium(found!);
    expected = await computeOn(cpu);
  });
  afterAll(async () => {
    await browser?.close();
    server?.[Symbol.dispose]();
  });

  describe("without WebGPU", () => {
    const noWebGpu = "delete Navigator.prototype.gpu";

    test("the core computes on the CPU", async () => {
      const tab = await openTab<typeof coreAlone>(coreBundle!, noWebGpu);
      expect(await tab.call("hasWebGpu")).toBe(false);
      expectClose(await tab.call("computeOnCpu"), expected);
      expect(await tab.call("ndarrayShape")).toEqual([1, 3]);
      expect(tab.complaints).toEqual([]);
      await tab.page.close();
    });

    test("opening the GPU says what to do", async () => {
      const tab = await openTab<typeof whole>(wholeBundle!, noWebGpu);
      expect(await tab.call("failure")).toMatch(/^webgpu: this runtime has no WebGPU\..* use device cpu\.$/);
      await tab.page.close();
    });
  });

  describe("with WebGPU", () => {
    let tab: Tab<typeof whole>;
    beforeAll(async () => {
      tab = await openTab(wholeBundle!);
      console.log(`The browser's adapter: ${await tab.call("open")}`);
    });
    afterAll(() => tab?.page.close());

    test("kernels and gradients compute what the CPU computes", async () => {
      expectClose(await tab.call("computeOnGpu"), expected);
      expect(tab.complaints).toEqual([]);
    });

    test("text becomes diffusers' picture, from files that the page fetched", async () => {
      const request: Request = {
        prompt: "a photo of a cat sitting on a red chair!",
        negative: "blurry, low quality, watermark",
        nasaScale: 0.5,
        steps: 1,
        seed: 0,
      };
      await tab.call("fetchFiles", files);
      await tab.call("load");
      const first = await tab.call("picture", request);
      const golden = await (await goldenTensors("pipeline/sd15-tiny"))("one step, NASA.image").data();
      expect([first.width, first.height, first.data.length]).toEqual([64, 64, golden.length]);
      const far = new Set(first.data.flatMap((v, i) => (Math.abs(v - golden[i]!) > 1 ? [Math.floor(i / 3)] : [])));
      expect(far.size).toBeLessThanOrEqual(0.01 * first.width * first.height);

      // Freed and loaded anew from the same blobs, into memory and kernels that were used before.
      expect(await tab.call("unload")).toBe(0);
      await tab.call("load");
      expect((await tab.call("picture", request)).data).toEqual(first.data);
      expect(await tab.call("unload")).toBe(0);
      expect(tab.complaints).toEqual([]);
    });

    test("a model of a hub is read from there, tensor by tensor, its files being elsewhere", async () => {
      await using hub = await serveHub({ repo: "owner/tiny", files: filesOf(checkpoint), token: "secret" });
      await tab.call("loadFromHub", "owner/tiny", { endpoint: hub.endpoint, token: "secret" });
      const { data } = await tab.call("picture", { prompt: "a photo of a cat sitting on a red chair!", steps: 1 });
      const golden = await (await goldenTensors("pipeline/sd15-tiny"))("one step.image").data();
      expect(data.filter((v, i) => Math.abs(v - golden[i]!) > 1).length).toBeLessThan(0.01 * golden.length);
      expect(hub.asked.some(({ host, range }) => host === "storage" && range !== undefined)).toBe(true);
      expect(hub.asked.filter(({ host, token }) => host === "storage" && token !== undefined)).toEqual([]);
      expect(await tab.call("unload")).toBe(0);
      expect(tab.complaints).toEqual([]);
    });

    test.each(examples.map(({ page }, i) => [page, i] as const))("the example of %s does what it says", async (_, i) => {
      const own = await openTab(exampleBundles[i]!);
      const said: string[] = [];
      own.page.on("console", (message) => said.push(message.text()));
      await own.page.setContent('<input type="file" webkitdirectory><img>');
      await own.page.locator("input").setInputFiles(checkpoint);
      await own.page.evaluate(`import("/${exampleBundles[i]!.entry}").then(() => undefined)`);
      const { code } = examples[i]!;
      const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, said]) => said);
      if (code.includes("img"))
        expect(await own.page.evaluate("const img = document.querySelector('img'); img.decode().then(() => img.naturalWidth)")).toBe(64);
      expect(said).toEqual(promised);
      expect(own.complaints).toEqual([]);
      await own.page.close();
    });
  });
});

// Needs no browser: what would not bundle would not run in one.
test("bundles hold nothing of Node's, and the core alone is the smaller", async () => {
  const code = (...names: string[]) => ({ code: names.map((name) => `export * from "@snoopi/${name}";`).join("\n") });
  const core = await bundle("core", code("core"));
  const both = await bundle("both", code("core", "kernels"));
  const all = await bundle("all", code("core", "kernels", "models", "snoopi"));
  console.log(`gzipped: core ${core.gzipBytes} bytes, with kernels ${both.gzipBytes}, with models and snoopi ${all.gzipBytes}`);
  for (const { files } of [core, both, all])
    for (const script of files.values()) expect(script).not.toMatch(/from\s*["']node:|browser-external/);
  expect(core.gzipBytes).toBeLessThan(both.gzipBytes);
  expect(both.gzipBytes).toBeLessThan(all.gzipBytes);
});
