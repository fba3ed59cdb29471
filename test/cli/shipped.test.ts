import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { torchGenerator } from "@snoopi/core";
import {
  type BatchRequest,
  decodePng,
  generateBatch,
  judge,
  type LoadedModel,
  loadModel,
  openModel,
  parseCaption,
  satisfies,
} from "@snoopi/snoopi";
import { nodeFolder } from "@snoopi/snoopi/node";
import { student, teacher } from "@snoopi/tiny";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contactNegatives, contactPrompts } from "../../packages/snoopi/src/eval/table/contact.ts";
import { devices } from "../devices.ts";
import { build, root, snoopi, temporary, withoutAdapter } from "./command.ts";

// The models that ship draw what they are asked for, by the judge that reads pixels.

interface Shipped {
  readonly name: string;
  readonly folder: URL;
  readonly request: Omit<BatchRequest, "prompts" | "noises">;
  /** The share of pictures that show all that is asked for. */
  readonly fidelity: number;
  /** Pictures of each prompt on the CPU, where a pass takes half a second and a teacher's picture 50 of them, and on a GPU. */
  readonly seeds: { readonly cpu: number; readonly gpu: number };
}

const shipped = (
  [
    { name: "student", folder: student, request: {}, fidelity: 0.8, seeds: { cpu: 2, gpu: 16 } },
    { name: "teacher", folder: teacher, request: { steps: 25, guidance: 3 }, fidelity: 0.9, seeds: { cpu: 0, gpu: 4 } },
  ] satisfies Shipped[]
).filter(({ folder }) => existsSync(new URL("model_index.json", folder)));

const readme = readFileSync(join(root, "README.md"), "utf8");

/** Whether a picture [3, 64, 64] from −1 to 1 shows all that a caption says. */
const shows = (picture: Float32Array, caption: string): boolean => satisfies(judge(picture).attributes, parseCaption(caption));

test("something ships", () => expect(shipped.length).toBeGreaterThan(0));

describe("the README's first line", () => {
  const folder = temporary();
  beforeAll(build);
  afterAll(() => folder.remove());
  const [, options, prompt] = /^npm ci && npx snoopi generate (.*)--prompt "(.*)" --out picture\.png$/m.exec(readme)!;

  test.each([
    ["on whatever there is", {}],
    ["without an adapter, which it says", withoutAdapter],
  ])("makes a picture that shows what it asks for, %s", async (_, env) => {
    const out = join(folder.path, "picture.png");
    const { code, stdout, stderr } = await snoopi(
      ["generate", ...options.split(" ").filter(Boolean), "--prompt", prompt, "--out", out],
      env,
    );
    expect([code, stdout]).toEqual([0, `${out}\n`]);
    expect(stderr).toMatch(env === withoutAdapter ? /^device: cpu, because there is no adapter/m : /^device: /m);
    expect(stderr).toMatch(/^model: @snoopi\/tiny\//m);
    const { width, height, data, text } = await decodePng(readFileSync(out));
    expect([width, height, text.model.startsWith("@snoopi/tiny/")]).toEqual([64, 64, true]);
    const planes = Float32Array.from(data, (_, i) => data[(i % 4096) * 3 + Math.floor(i / 4096)]! / 127.5 - 1);
    expect(shows(planes, prompt)).toBe(true);
  });
});

const drawn = devices.flatMap(({ name: on, device }) =>
  shipped.map((model) => ({ ...model, on, device, seeds: on === "cpu" ? model.seeds.cpu : model.seeds.gpu })),
);

describe.each(drawn.filter(({ seeds }) => seeds > 0))("the $name on $on", ({ name, folder, request: own, fidelity, seeds, device }) => {
  let loaded: LoadedModel;
  beforeAll(async () => {
    loaded = await loadModel(await openModel(nodeFolder(fileURLToPath(folder))), { device });
  });
  afterAll(() => loaded[Symbol.dispose]());

  /** The pictures of seeds 0, 1, …, as the command draws them. */
  async function draw(seeds: number, prompt: string, request: Omit<BatchRequest, "prompts" | "noises"> = {}): Promise<Float32Array[]> {
    const noise = Array.from({ length: seeds }, (_, seed) => [...torchGenerator(seed).randn(256)]).flat();
    const noises = [{ shape: [seeds, 4, 8, 8], data: Float32Array.from(noise) }];
    const { data } = await generateBatch(loaded, { ...own, ...request, prompts: new Array<string>(seeds).fill(prompt), noises });
    const clipped = Float32Array.from(data, (v) => Math.min(1, Math.max(-1, v)));
    return Array.from({ length: seeds }, (_, i) => clipped.slice(i * 12288, (i + 1) * 12288));
  }

  // What a model of its fidelity falls short of but once in 700 times: three standard deviations below.
  const least = (pictures: number) => fidelity * pictures - 3 * Math.sqrt(fidelity * (1 - fidelity) * pictures);

  test("pictures of ten prompts show all that these name", { timeout: 400_000 }, async () => {
    let right = 0;
    for (const prompt of contactPrompts) right += (await draw(seeds, prompt)).filter((picture) => shows(picture, prompt)).length;
    expect(right).toBeGreaterThan(least(seeds * contactPrompts.length));
  });

  // A rate needs many pictures: a student draws them on the fastest device that there is.
  if (name !== "student" || device !== devices.at(-1)!.device) return;
  test("a negative prompt takes away what it names more often than not, and at the scale of NASA's listing two times of three", {
    timeout: 400_000,
  }, async () => {
    let there = 0;
    const gone = { default: 0, listing: 0 };
    for (const { prompt, negative } of contactNegatives) {
      const shown = (await draw(seeds, prompt)).map((picture) => shows(picture, negative));
      const gives = (after: readonly Float32Array[]) => after.filter((picture, i) => shown[i] && !shows(picture, negative)).length;
      there += shown.filter((one) => one).length;
      gone.default += gives(await draw(seeds, prompt, { negative }));
      gone.listing += gives(await draw(seeds, prompt, { negative, nasaScale: 1 }));
    }
    // Each pair has pictures to lose something.
    expect(there).toBeGreaterThan(contactNegatives.length);
    expect(gone.default).toBeGreaterThan(there / 2);
    expect(gone.listing).toBeGreaterThan((2 / 3) * there);
  });
});
