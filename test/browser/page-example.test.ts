import { join } from "node:path";
import { decodePng, judge, parseCaption, satisfies } from "@snoopi/snoopi";
import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../scripts/setup/browser.mjs";
import { goldenFolder } from "../models/goldens.ts";
import { openChromium } from "./chromium.ts";

// examples/page as `npm run page` serves it. Whether there must be a browser is said in browser.test.ts.

const found = findChromium(process.env);

describe.skipIf(!found)("the page of the examples", () => {
  let [server, browser, page]: [ViteDevServer?, Browser?, Page?] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    const configFile = join(import.meta.dirname, "../../examples/page/vite.config.ts");
    server = await createServer({ configFile, logLevel: "error", server: { host: "127.0.0.1", port: 0, hmr: false } });
    await server.listen();
    browser = await openChromium(found!);
    page = await browser.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(server.resolvedUrls!.local[0]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Draws, waits for so many pictures in all, and gives the newest. */
  async function drawn(count: number) {
    await page!.click("text=Draw");
    await page!.waitForFunction((count) => document.querySelectorAll("figure").length === count, count, { timeout: 100_000 });
    await page!.waitForFunction("document.querySelector('#stop').disabled && document.querySelector('#status').textContent === ''");
    const newest = "fetch(document.querySelector('figure img').src).then((r) => r.arrayBuffer()).then((b) => [...new Uint8Array(b)])";
    return decodePng(Uint8Array.from(await page!.evaluate<number[]>(newest)));
  }

  test("draws what its prompt says, on the GPU", async () => {
    const prompt = "a large solid red star on a black background";
    await page!.fill("[name=prompt]", prompt);
    const { width, data, text } = await drawn(1);
    expect(text).toEqual({ prompt, seed: "0" });
    const picture = Float32Array.from(
      { length: 3 * width * width },
      (_, i) => data[3 * (i % width ** 2) + Math.floor(i / width ** 2)]! / 127.5 - 1,
    );
    expect(satisfies(judge(picture).attributes, parseCaption(prompt))).toBe(true);
    expect(await page!.textContent("#device")).toMatch(/^It computes on .*swiftshader/);
    expect(complaints).toEqual([]);
  });

  test("draws a picture with its negative beside the one without", async () => {
    await page!.fill("[name=negative]", "a solid shape");
    const { text } = await drawn(3);
    expect(text).toMatchObject({ negative_prompt: "a solid shape", nasa_scale: "1" });
    const captions = await page!.locator("figcaption").allTextContents();
    expect(captions.map((caption) => caption.includes("without a solid shape"))).toEqual([true, false, false]);
  });

  test("says what a file is that is no checkpoint", async () => {
    await page!.selectOption("[name=source]", "file");
    await page!.setInputFiles("[name=file]", join(goldenFolder, "lora/kohya.safetensors"));
    await page!.click("text=Draw");
    await page!.waitForFunction("document.querySelector('#status').textContent.includes('it is')");
    expect(await page!.textContent("#status")).toBe(
      "your file/kohya.safetensors: it is a LoRA. Add it to a model with --lora FILE, or openLora in code.",
    );
    expect(complaints).toEqual([]);
  });

  test("says what is wrong with what was asked for", async () => {
    await page!.selectOption("[name=source]", "hub");
    await page!.fill("[name=hub]", "no name");
    await page!.click("text=Draw");
    await page!.waitForFunction("document.querySelector('#status').textContent.includes('is no model')");
    expect(await page!.textContent("#status")).toBe('"no name" is no model\'s name on a hub. Give OWNER/NAME.');
    expect(complaints).toEqual([]);
  });
});
