import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { type Fault, filesOf, type Hub, serveHub } from "../hub-server.ts";
import { build, snoopi, start, temporary, tiny } from "./command.ts";

let folder: ReturnType<typeof temporary>;
let hub: Hub;
let out: string;
const repo = "owner/tiny-model";
const unet = "unet/diffusion_pytorch_model.safetensors";
/** The tiny model with what publishers put beside it. */
const files = new Map([
  ...filesOf(tiny("sd15")),
  ["README.md", Buffer.from("a card")],
  ["v1-5-pruned.ckpt", Buffer.from("a pickle")],
  ["unet/diffusion_pytorch_model.non_ema.safetensors", Buffer.from("another form")],
  ["unet/diffusion_pytorch_model.bin", Buffer.from("a pickle")],
  ["safety_checker/model.safetensors", Buffer.from("not used")],
]);

beforeAll(build);
beforeEach(async () => {
  folder = temporary();
  out = join(folder.path, "model");
  hub = await serveHub({ repo, files });
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  folder.remove();
});

const download = (...words: string[]) => snoopi(["download", ...words], { HF_ENDPOINT: hub.endpoint, HF_TOKEN: "" });
const fault = (path: string, what: Fault) => hub.faults.set(path, what);
const same = (path: string) => expect(readFileSync(join(out, path)).equals(files.get(path)!)).toBe(true);

test("a model comes with what making pictures reads and nothing else, and makes one", async () => {
  const { code, stdout, stderr } = await download(repo, "--out", out);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${out}\n` });
  expect(stderr).toMatch(/^owner\/tiny-model at 01234567: \d+ files, [\d.]+ MB\n/);
  const come = [...filesOf(out).keys()].sort();
  expect(come).toEqual([...files.keys()].filter((path) => !/ckpt|non_ema|\.bin|safety_checker/.test(path)).sort());
  for (const path of come) same(path);
  expect((await snoopi(["inspect", out])).code).toBe(0);
  const picture = join(folder.path, "x.png");
  expect((await snoopi(["generate", "--model", out, "--prompt", "a", "--steps", "1", "--device", "cpu", "--out", picture])).code).toBe(0);
});

test("what is there with the right bytes stays, and what is not is replaced", async () => {
  await download(repo, "--out", out);
  writeFileSync(join(out, "vae/config.json"), "{}");
  hub.asked.length = 0;
  expect((await download(repo, "--out", out)).code).toBe(0);
  same("vae/config.json");
  expect(hub.asked.filter(({ host }) => host === "storage")).toEqual([]);
});

test("a connection that breaks off is gone on from where it broke, within a run and after", async () => {
  fault(unet, { breakAfter: 70_000, times: 2 });
  expect((await download(repo, "--out", out)).code).toBe(0);
  same(unet);
  const ranges = hub.asked.filter(({ host, path }) => host === "storage" && path === unet).map(({ range }) => range);
  expect(ranges.length).toBe(3);
  expect(ranges[0]).toBeUndefined();
  for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d*-\d+$/);
});

test("a run that was stopped says so and keeps what came, which the next goes on from", async () => {
  fault(unet, { stallAfter: 50_000 });
  const { child, ended } = start(["download", repo, "--out", out], { HF_ENDPOINT: hub.endpoint });
  const part = () => readdirSync(join(out, "unet")).find((name) => name.endsWith(".part"));
  await vi.waitFor(() => expect(statSync(join(out, "unet", part()!)).size).toBe(50_000), { timeout: 30_000, interval: 50 });
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  expect({ code, last: stderr.split("\n").at(-1) }).toEqual({ code: 130, last: "snoopi: stopped. The same line goes on from here." });
  expect(existsSync(join(out, unet))).toBe(false);
  hub.faults.clear();
  hub.asked.length = 0;
  const second = await download(repo, "--out", out);
  expect(second.code).toBe(0);
  expect(second.stderr).toMatch(/^unet\S+: \d+ kB, from 50\.0 kB$/m);
  same(unet);
  expect(hub.asked.filter(({ host, path }) => host === "storage" && path === unet).map(({ range }) => range)).toEqual([
    `bytes=50000-${files.get(unet)!.length - 1}`,
  ]);
  expect(part()).toBeUndefined();
});

test("files that end too soon, again and again, are given up", async () => {
  fault(unet, { endAfter: 0, times: 100 });
  const { code, stderr } = await download(repo, unet, "--out", out);
  expect(code).toBe(1);
  expect(stderr).toContain(`snoopi: ${repo}/${unet}: the connection breaks off, it ends too soon. Go on with the same line.`);
});

test("a server that sends the whole file in place of its rest is gone on from as well", async () => {
  fault(unet, { breakAfter: 70_000, times: 1, whole: 2 });
  expect((await download(repo, unet, "--out", out)).code).toBe(0);
  same(unet);
});

test("a folder where a file is to be is refused before anything comes", async () => {
  mkdirSync(join(out, unet), { recursive: true });
  const { code, stderr } = await download(repo, "--out", out);
  expect(code).toBe(1);
  expect(stderr).toContain(`snoopi: ${join(out, unet)}: a folder is where a file is to be. Move it away, or give another --out.`);
  expect(hub.asked.filter(({ host }) => host === "storage")).toEqual([]);
});

test("bytes that are not the hub's are refused and not kept", async () => {
  fault(unet, { wrong: true });
  const { code, stderr } = await download(repo, "--out", out);
  expect(code).toBe(1);
  expect(stderr).toContain(`snoopi: ${repo}/${unet}: what came has other bytes than the hub tells of. Download it again.`);
  expect(readdirSync(join(out, "unet"))).toEqual(["config.json"]);
});

test("a server that fails for a while is asked again", async () => {
  fault("model_index.json", { status: 503 });
  expect((await download(repo, "model_index.json", "--out", out)).code).toBe(0);
  same("model_index.json");
});

test("files that are named come alone", async () => {
  const { code, stderr } = await download(repo, "README.md", unet, "README.md", "--out", out, "--revision", "v1");
  expect({ code, start: stderr.split(",")[0] }).toEqual({ code: 0, start: `${repo} at 01234567: 2 files` });
  expect([...filesOf(out).keys()].sort()).toEqual(["README.md", unet]);
});

describe("a token", () => {
  test("goes to the hub and to nobody else", async () => {
    await hub[Symbol.asyncDispose]();
    hub = await serveHub({ repo, files, token: "secret" });
    const gated = await download(repo, "--out", out);
    expect(gated).toMatchObject({
      code: 1,
      stderr: `snoopi: ${repo}: it is gated. Accept its terms at ${hub.endpoint}/${repo} first; an access token is needed: set HF_TOKEN.`,
    });
    hub.asked.length = 0;
    const { code } = await snoopi(["download", repo, unet, "--out", out], { HF_ENDPOINT: hub.endpoint, HF_TOKEN: "secret" });
    expect(code).toBe(0);
    for (const { host, token } of hub.asked) expect(token).toBe(host === "hub" ? "secret" : undefined);
    expect(hub.asked.map(({ host }) => host)).toContain("storage");
  });

  test("is the one that was kept at login where none is given", async () => {
    await hub[Symbol.asyncDispose]();
    hub = await serveHub({ repo, files, token: "secret" });
    const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path };
    const line = ["download", repo, "README.md", "--out", out];
    expect(await snoopi(line, env)).toMatchObject({ code: 1, stderr: expect.stringContaining("an access token is needed") });
    writeFileSync(join(folder.path, "token"), "secret\n");
    expect(await snoopi(line, { ...env, HF_TOKEN: "" })).toMatchObject({ code: 1, stderr: expect.stringContaining("set HF_TOKEN") });
    expect((await snoopi(line, env)).code).toBe(0);
    same("README.md");
    const { code, stderr } = await snoopi(line, { ...env, HF_TOKEN_PATH: folder.path });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/: the Hub's access token cannot be read, EISDIR.* Set HF_TOKEN, empty for none\.$/),
    });
  });
});

test.each([
  [
    ["nobody/nothing"],
    /^snoopi: nobody\/nothing: 127\.0\.0\.1:\d+ has no such model, or it is private and an access token is needed: set HF_TOKEN\.$/,
  ],
  [["runwayml/stable-diffusion-v1-5"], /Its files are at stable-diffusion-v1-5\/stable-diffusion-v1-5 now\.$/],
  [[repo, "--revision", "v9"], /^snoopi: owner\/tiny-model: there is no revision "v9"\.$/],
  [[repo, "lora.safetensors"], /there is no file lora\.safetensors\. It has /],
  [[repo, "--variant", "bf16"], /no component has weights of the variant "bf16"/],
  [["../x"], /^snoopi: "\.\.\/x" is no model's name on a hub\. Give OWNER\/NAME\.$/],
  [[], /^snoopi: download: the model is missing\. Give OWNER\/NAME, as on the Hugging Face Hub\.$/],
])("%j is refused", async (words, line) => {
  const { code, stderr } = await download(...words, "--out", out);
  expect({ code, fits: line.test(stderr) || stderr }).toEqual({ code: 1, fits: true });
});
