import { createCpu } from "@snoopi/core";
import { hubFolder } from "@snoopi/models";
import { generate, loadModel, openModel } from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesOf, type Hub, serveHub } from "../hub-server.ts";
import { loadTinyModel } from "../snoopi/tiny.ts";
import { goldenFolder } from "./goldens.ts";

const repo = "owner/tiny";
let hub: Hub;
beforeAll(async () => {
  hub = await serveHub({ repo, files: filesOf(`${goldenFolder}/third-tiny`) });
});
afterAll(() => hub[Symbol.asyncDispose]());

describe("a model on a hub", () => {
  test("is opened and loaded where it is, and of its weights nothing comes twice", async () => {
    const folder = await hubFolder(repo, { endpoint: `${hub.endpoint}/` });
    const model = await openModel(folder);
    expect(hub.asked.filter(({ host }) => host === "storage")).toEqual([]);
    const device = createCpu();
    using loaded = await loadModel(model, { device });
    const ranges = hub.asked.flatMap(({ host, path, range }) => (host === "storage" ? [`${path} ${range}`] : []));
    expect(new Set(ranges).size).toBe(ranges.length);
    expect(ranges.every((range) => range.includes("bytes="))).toBe(true);
    using local = await loadTinyModel("third-tiny", device);
    const request = { prompt: "a red cat", steps: 1 };
    expect((await generate(loaded, request)).data).toEqual((await generate(local, request)).data);
  });

  test("is read again where a connection breaks off", async () => {
    const path = "vae/diffusion_pytorch_model.safetensors";
    const folder = await hubFolder(repo, { endpoint: hub.endpoint });
    hub.faults.set(path, { breakAfter: 10, times: 2 });
    const source = await folder.open(path);
    expect(await source.read(8, 100)).toHaveLength(92);
    hub.faults.set(path, { breakAfter: 10, times: 3 });
    await expect(source.read(8, 100)).rejects.toThrow(`${repo}/${path}: the connection breaks off, `);
    hub.faults.clear();
  });

  test("stops when it is told to", async () => {
    const controller = new AbortController();
    controller.abort();
    await expect(hubFolder(repo, { endpoint: hub.endpoint, signal: controller.signal })).rejects.toThrow(/abort/i);
  });
});

test.each(["../x", "a/../../x", "/x", "a//x", "a\\..\\x"])("a hub that names the file %s is refused", async (path) => {
  await using bad = await serveHub({ repo, files: new Map([[path, new Uint8Array(1)]]) });
  await expect(hubFolder(repo, { endpoint: bad.endpoint })).rejects.toThrow("which is no path inside it.");
});
