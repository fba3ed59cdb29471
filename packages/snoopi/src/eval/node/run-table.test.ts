import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { cpu, type Device } from "@snoopi/core";
import { autoencoderTiny, manifest, tinyVaeConfig } from "@snoopi/models";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpu } from "../../../../../test/gpu.ts";
import { writePixArt } from "../../../../../test/snoopi/pixart-folder.ts";
import { parseEval } from "../../cli/eval-args.ts";
import { contactSheets } from "../../cli/eval-contact.ts";
import { decodePng } from "../../picture/png.ts";
import { type StageName, type TrainConfig, trainSchemas } from "../../train/config.ts";
import { normals } from "../../train/examples.ts";
import { clipJob } from "../../train/node/clip-job.ts";
import { writeComponent } from "../../train/node/component.ts";
import { teacherJob } from "../../train/node/teacher-job.ts";
import { vaeJob } from "../../train/node/vae-job.ts";
import { readConfig } from "../../train/schema.ts";
import type { Weights } from "../../train/stage.ts";
import { contactNegatives, contactPrompts } from "../table/contact.ts";
import { curvesTable } from "../table/curves.ts";
import { exclusionTable } from "../table/exclusion-table.ts";
import { guidanceTable } from "../table/guidance.ts";
import { judgeTable } from "../table/judge-table.ts";
import { studentsTable } from "../table/students.ts";
import type { Table, TableOptions } from "../table/table.ts";
import { readAutoencoder } from "./autoencoder.ts";
import { type RanTable, type RunTableOptions, runTable } from "./run-table.ts";

// Whole tables of an untrained model of 16 × 16 pixels: their figures are chance, how they are made is not.

const device: Device = gpu.device ?? cpu;
const home = mkdtempSync(join(tmpdir(), "snoopi-eval-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const model = join(home, "model");
const { signal } = new AbortController();

const tower = { hiddenSize: 16, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, projectionDim: 16 };
const configs = {
  vae: { network: { sampleSize: 16, blockOutChannels: [8, 8], normNumGroups: 4 } },
  clip: { network: { imageSize: 16, patchSize: 8, ...tower } },
  teacher: { pool: 4, network: { blockOutChannels: [16], attentionHeadDim: 2, normNumGroups: 4 } },
};
const jobs = { vae: vaeJob, clip: clipJob, teacher: teacherJob };

/** A component with its first weights. */
async function write(name: StageName): Promise<void> {
  const config = readConfig(trainSchemas[name], configs[name]) as TrainConfig;
  using job = await jobs[name](config as never, { device, out: model, signal });
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [key, t] of Object.entries(job.stage.parameters)) weights.set(key, { shape: t.shape, data: (await t.data()) as Float32Array });
  await job.finish(weights as Weights);
}

const options: TableOptions = {
  model,
  students: [],
  pictures: 6,
  seeds: [0, 1],
  teacherSteps: 2,
  guidance: 3,
  steps: 1,
  kappas: [2, [2, 5]],
  methods: [{ method: "nasa", scales: [0.5] }],
};
const run = (table: Table, out: string, more: Partial<Pick<RunTableOptions, "model" | "signal" | "onPictures">> = {}) =>
  runTable(table, { device, model, out: join(home, out), batch: 4, reference: 16, roundTrips: 8, signal, ...more });
/** Changes the sign of a file's last number. */
function flipLast(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 0x80;
  writeFileSync(path, bytes);
}
const textOf = ({ files }: RanTable) => files.map((path) => readFileSync(path, "utf8"));

describe("a table of a tiny model", () => {
  beforeAll(async () => {
    for (const name of ["vae", "clip", "teacher"] as const) await write(name);
  });

  test("comes out as JSON, Markdown and SVG that say what features are", async () => {
    const ran = await run(guidanceTable(options), "whole");
    expect([ran.finished, ran.pictures]).toEqual([true, 2 * 2 * 6]);
    expect(readdirSync(join(home, "whole")).sort()).toEqual([
      "guidance-shares.svg",
      "guidance.json",
      "guidance.md",
      "guidance.svg",
      "state",
    ]);
    const markdown = readFileSync(join(home, "whole", "guidance.md"), "utf8");
    expect(markdown).toContain("the image tower of model/clip, 16 numbers of its class token");
    expect(markdown).toMatch(/\| κ ~ U\(2, 5\) \| +\d\.\d{3} ± \d\.\d{3} \|/);
    const { rows, cells } = JSON.parse(readFileSync(join(home, "whole", "guidance.json"), "utf8"));
    expect(Object.keys(rows[0].figures)).toEqual(["fidelity", "valid", "both", "frechet", "precision", "recall", "clip", "entropy"]);
    // Where the model lies is nobody's business.
    expect([cells["k2-s0"].source.model, JSON.stringify(cells).includes(home)]).toEqual(["model", false]);
  });

  test("that is stopped at every batch and goes on is the same to the last byte", async () => {
    const whole = await run(guidanceTable(options), "whole");
    let [ran, runs] = [undefined as RanTable | undefined, 0];
    while (!ran?.finished) {
      const controller = new AbortController();
      let began = false;
      const onPictures = (part: string) => {
        // The first call of a part begins it, the next comes after a batch.
        if (part === "guidance" && began) controller.abort();
        began ||= part === "guidance";
      };
      ran = await run(guidanceTable(options), "stopped", { signal: controller.signal, onPictures });
      runs++;
    }
    // Six pictures in batches of four are two batches of each of four cells.
    expect(runs).toBe(8);
    expect(textOf(ran)).toEqual(textOf(whole));
  });

  test("that is killed goes on from what was on the disk, and is the same to the last byte", async () => {
    const whole = await run(guidanceTable(options), "whole");
    const killed = join(home, "killed");
    let batches = 0;
    // A copy of the folder in the middle of a run is what a kill at that moment leaves.
    await run(guidanceTable(options), "living", {
      onPictures: (part) => {
        if (part !== "guidance" || batches++ !== 4) return;
        cpSync(join(home, "living"), killed, { recursive: true });
        // In the middle of writing.
        writeFileSync(join(killed, "state", "guidance", ".k2-s1.json.123.tmp"), '{"identity":');
      },
    });
    expect(batches).toBeGreaterThan(5);
    expect(readdirSync(killed)).toEqual(["state"]);
    expect(textOf(await run(guidanceTable(options), "killed"))).toEqual(textOf(whole));
    expect(readdirSync(join(killed, "state", "guidance")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("of the judge is right about what the world drew, whatever the model", async () => {
    await run(judgeTable({ ...options, seeds: [0] }), "judge");
    const { rows, columns } = JSON.parse(readFileSync(join(home, "judge", "judge.json"), "utf8"));
    expect(rows[0]).toMatchObject({ name: "rendered", figures: { all: { mean: 1 }, colour: { mean: 1 } } });
    expect(rows.at(-1).name).toBe("the VAE's round trip");
    expect(columns.size).toEqual({ better: "higher", meaning: "share of pictures of which it reads the size as drawn" });
  });

  test("of students puts them beside the teacher, each with its own number of steps", async () => {
    const students = [
      { label: "one", model },
      { label: "few", model, steps: 2 },
    ];
    await run(studentsTable({ ...options, students }), "students");
    const { rows } = JSON.parse(readFileSync(join(home, "students", "students.json"), "utf8"));
    expect(rows.map(({ name, steps }: { name: string; steps: number[] }) => [name, steps])).toEqual([
      ["teacher, DDIM 2, κ 3", [2]],
      ["one", [1]],
      ["few", [2]],
    ]);
    const markdown = readFileSync(join(home, "students", "students.md"), "utf8");
    for (const words of [" fidelity ↑ |", " Fréchet ↓ |", "- few: 2 steps", "- _CLIP_: mean cosine", "- _±_: one standard deviation"]) {
      expect(markdown).toContain(words);
    }
  });

  test("of curves takes each snapshot for a model, and the same weights come to the same figures", async () => {
    const snapshots = [0, 5].map((taken) => ({ taken, folder: model }));
    const ran = await run(curvesTable(options, [{ label: "a", model, snapshots }]), "curves");
    expect(ran.files.map((path) => basename(path))).toEqual([
      ...["curves.json", "curves.svg", "curves-fidelity.svg", "curves-entropy.svg", "curves.md"],
    ]);
    const { rows, about } = JSON.parse(textOf(ran)[0]);
    const [{ points }] = rows;
    expect(points.map(({ step }: { step: number }) => step)).toEqual([0, 5]);
    expect(points[0].figures).toEqual(points[1].figures);
    expect(points[0].figures.frechet).toMatchObject({ count: 2, mean: expect.any(Number), spread: expect.any(Number) });
    expect(about.floors[0].models).toEqual(["model"]);
  });

  test("of a folder that is no model says what is missing", async () => {
    const of = (folder: string) => run(guidanceTable({ ...options, model: folder }), "none");
    await expect(of(join(home, "nowhere"))).rejects.toThrow("nowhere: there is no such file or folder.");
    const bare = join(home, "bare");
    cpSync(model, bare, { recursive: true });
    rmSync(join(bare, "unet", "diffusion_pytorch_model.safetensors"));
    await expect(of(bare)).rejects.toThrow(`${join(bare, "unet")}: `);
    rmSync(join(bare, "unet"), { recursive: true });
    await expect(of(bare)).rejects.toThrow(`${join(bare, "unet")}: there is neither a config.json nor a scheduler_config.json.`);
  });

  test("that is full is written again without a picture made, and grows when more are asked for", async () => {
    const parts: string[] = [];
    const more = guidanceTable({ ...options, pictures: 7 });
    await run(guidanceTable(options), "grown");
    await run(guidanceTable(options), "grown", { onPictures: (part) => parts.push(part) });
    expect(parts).toEqual(["guidance"]);
    expect((await run(more, "grown")).pictures).toBe(28);
    await expect(run(guidanceTable(options), "grown")).rejects.toThrow("there are 7 pictures, and 6 are asked for.");
  });

  test("is refused where its folder holds another evaluation, which is named", async () => {
    await run(guidanceTable(options), "other");
    await expect(run(guidanceTable({ ...options, teacherSteps: 3 }), "other")).rejects.toThrow(
      "it is of another evaluation: cell.source.steps is 2 there and 3 here. Evaluate as before, or give another --out.",
    );
    writeFileSync(join(home, "other", "state", "guidance", "k2-s0.json"), "{");
    await expect(run(guidanceTable(options), "other")).rejects.toThrow("this is not JSON");
  });

  test("is refused where a file that the model is read from has changed, and no other", async () => {
    const changed = join(home, "changed");
    cpSync(model, changed, { recursive: true });
    const table = guidanceTable({ ...options, model: changed, pictures: 2, seeds: [0], kappas: [2] });
    const again = () => run(table, "files", { model: changed });
    await again();
    for (const component of ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "clip/model"]) {
      writeFileSync(join(changed, `${component}.fp16.safetensors`), "a variant that nobody asked for");
    }
    writeFileSync(join(changed, "README.md"), "a card");
    const parts: string[] = [];
    await run(table, "files", { model: changed, onPictures: (part, added) => added > 0 && parts.push(part) });
    expect(parts).toEqual([]);
    for (const [file, more, what] of [
      ["scheduler/scheduler_config.json", { prediction_type: "v_prediction" }, "model"],
      ["unet/config.json", { norm_eps: 1e-3 }, "model"],
      ["tokenizer/special_tokens_map.json", { pad_token: "star</w>" }, "model"],
      ["clip/config.json", { logit_scale_init_value: 2 }, "features"],
    ] as const) {
      const text = readFileSync(join(changed, file), "utf8");
      writeFileSync(join(changed, file), JSON.stringify({ ...JSON.parse(text), ...more }));
      await expect(again(), file).rejects.toThrow(`it is of another evaluation: ${what} is `);
      writeFileSync(join(changed, file), text);
    }
    expect((await again()).finished).toBe(true);
  });

  test("tells of every part how many pictures it has to go, also of one called as the one before", async () => {
    const other = join(home, "other-vae");
    cpSync(model, other, { recursive: true });
    flipLast(join(other, "vae", "diffusion_pytorch_model.safetensors"));
    let parts: [part: string, total: number, added: number][] = [];
    const onPictures = (part: string, added: number, total: number) => {
      if (added === 0) parts.push([part, total, 0]);
      expect(parts.at(-1)!.slice(0, 2)).toEqual([part, total]);
      parts.at(-1)![2] += added;
    };
    const of = (pictures: number) => studentsTable({ ...options, pictures, seeds: [0], students: [{ label: "other", model: other }] });
    await run(of(6), "parts", { onPictures });
    expect(parts).toEqual([
      ["floor", 8, 8],
      ["floor", 8, 8],
      ["reference", 16, 16],
      ["students", 12, 12],
    ]);
    parts = [];
    await run(of(7), "parts", { onPictures });
    expect(parts).toEqual([["students", 2, 2]]);
  });

  test("without clip/ takes the VAE's features and says so", async () => {
    rmSync(join(model, "clip"), { recursive: true });
    const students = ["a", "b"].map((label) => ({ label, model }));
    await run(studentsTable({ ...options, students: students.slice(0, 1) }), "no-clip");
    const markdown = readFileSync(join(home, "no-clip", "students.md"), "utf8");
    expect(markdown).toContain("the VAE encoder of model (it has no clip/), its latents averaged over 4 × 4 places");
    expect(markdown).not.toContain("CLIP");
  });

  test("of a transformer is of its weights", async () => {
    const transformer = join(home, "transformer");
    await writePixArt(transformer);
    const table = guidanceTable({ ...options, model: transformer, pictures: 2, seeds: [0] });
    expect((await run(table, "pixart", { model: transformer })).finished).toBe(true);
    const weights = join(transformer, "transformer", "diffusion_pytorch_model.safetensors");
    flipLast(weights);
    await expect(run(table, "pixart", { model: transformer })).rejects.toThrow("it is of another evaluation: model is ");
  });

  test("of a model with an AutoencoderTiny is of pictures as the model draws them", async () => {
    const tiny = join(home, "tiny-vae");
    cpSync(model, tiny, { recursive: true });
    rmSync(join(tiny, "vae"), { recursive: true });
    rmSync(join(tiny, "clip"), { recursive: true, force: true });
    const config = {
      ...{ _class_name: "AutoencoderTiny", encoder_block_out_channels: [4, 4], decoder_block_out_channels: [4, 4] },
      ...{ num_encoder_blocks: [1, 1], num_decoder_blocks: [1, 1], latent_channels: 4 },
    };
    const drawn = [...manifest((p) => autoencoderTiny(p, tinyVaeConfig(config)))].map(([name, shape], i) => {
      const data = (normals(shape, [8, i]).data as Float32Array).map((v) => v / 4);
      return [name, { shape, data }] as const;
    });
    await writeComponent(join(tiny, "vae"), { config, weights: new Map(drawn), library: "diffusers" });
    await run(guidanceTable({ ...options, model: tiny, pictures: 2, seeds: [0] }), "tiny-vae", { model: tiny });
    const { about } = JSON.parse(readFileSync(join(home, "tiny-vae", "guidance.json"), "utf8"));
    expect(about.features).toContain("the VAE encoder of tiny-vae (it has no clip/)");
    expect(about.floors).toMatchObject([{ models: ["tiny-vae"], psnr: expect.any(Number) }]);
    const { side, origin } = await readAutoencoder(tiny);
    expect([side, origin.split("-")[1]]).toEqual([16, "16"]);
  });

  test("of a model whose VAE was trained at another size is of pictures as the model draws them", async () => {
    const larger = join(home, "larger-vae");
    cpSync(model, larger, { recursive: true });
    const path = join(larger, "vae", "config.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), sample_size: 32 }));
    expect((await readAutoencoder(larger)).side).toBe(16);
  });

  test("of exclusion has every pair, without features", async () => {
    const { files } = await run(exclusionTable({ ...options, pictures: 2, seeds: [0] }), "exclusion");
    const { lines } = JSON.parse(readFileSync(files.find((path) => path.endsWith(".json"))!, "utf8"));
    expect(lines.map(({ pairs }: { pairs: unknown[] }) => pairs.length)).toEqual([6, 6, 6, 6, 6, 6]);
    expect(lines[0].pairs[0]).toMatchObject({ negative: "a small shape" });
    expect(readdirSync(join(home, "exclusion", "state")).some((name) => name.startsWith("reference"))).toBe(false);
  });

  test("has sheets beside it: ten prompts, and negatives before and after", async () => {
    const out = join(home, "contact");
    const words = ["contact", "--model", model, "--student", `${model}@2`, "--pictures", "2", "--out", out];
    let drawn = 0;
    const onPictures = (_: string, added: number) => {
      drawn += added;
    };
    const files = await contactSheets(parseEval(words), { device, signal, software: "test", onPictures });
    expect(files).toEqual(["contact-prompts.png", "contact-negatives.png", "contact.md"].map((name) => join(out, name)));
    expect(contactPrompts.length).toBe(10);
    expect(drawn).toBe(2 * (10 + 2 * contactNegatives.length));
    const [prompts, negatives] = await Promise.all(files.slice(0, 2).map((path) => decodePng(readFileSync(path))));
    // Pictures of 16 × 16 with 2 between.
    expect([prompts.width, prompts.height]).toEqual([34, 10 * 18 - 2]);
    expect([negatives.width, negatives.height]).toEqual([70, contactNegatives.length * 18 - 2]);
    // Left without the negative, right with it.
    const across = (x: number) => [...negatives.data.subarray(3 * x, 3 * (x + 34))];
    expect(across(0)).not.toEqual(across(36));
    const page = readFileSync(join(out, "contact.md"), "utf8");
    for (const prompt of contactPrompts) expect(page).toContain(`. ${prompt}\n`);
    expect(page).toContain("by nasa at scale 1.");
  });
});
