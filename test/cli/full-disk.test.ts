import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, root, snoopi, temporary } from "./command.ts";

// `snoopi train` on a disk that is full: a file system of so many kilobytes, which Linux gives to whoever asks for one of their own.

const folder = temporary();
afterAll(() => folder.remove());

const tower = { hiddenSize: 16, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, projectionDim: 16 };
const config = join(folder.path, "clip.json");
const words = (out: string, ...more: string[]) => ["train", "clip", "--config", config, "--out", out, "--device", "cpu", ...more];

/** Mounts a disk at `small`, runs the words after it there, and copies what is on it to `left`, all in a shell with file systems of its own. */
const script = `mount -t tmpfs -o "size=$1k" tmpfs "$2" || exit 77
left=$3; shift 3
"$@"; code=$?
cp -a "$DISK/." "$left"
exit $code`;

function onDisk(kilobytes: number, argv: (out: string) => readonly string[]) {
  const [small, left] = [join(folder.path, "small"), join(folder.path, `left-${kilobytes}`)];
  for (const one of [small, left]) mkdirSync(one, { recursive: true });
  const command = [process.execPath, join(root, "packages/snoopi/bin/snoopi.mjs"), ...argv(join(small, "out"))];
  const shell = ["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", String(kilobytes), small, left, ...command];
  const { status, stderr } = spawnSync("unshare", shell, {
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DISK: small },
  });
  return { status, stderr, out: join(left, "out") };
}

const possible = spawnSync("unshare", ["--user", "--map-root-user", "--mount", "true"]).status === 0;

describe.skipIf(!possible)("a disk that is full", () => {
  let size: number;
  beforeAll(async () => {
    build();
    writeFileSync(
      config,
      JSON.stringify({ ...{ batch: 4, steps: 6, checkpointEvery: 1, sampleEvery: 0 }, network: { imageSize: 16, ...tower } }),
    );
    expect((await snoopi(words(join(folder.path, "whole")))).code).toBe(0);
    size = Math.ceil(readFileSync(join(folder.path, "whole/training/clip/checkpoint.safetensors")).length / 1024);
  });
  const read = (out: string) => ["checkpoint.safetensors", "loss.csv"].map((file) => readFileSync(join(out, "training/clip", file)));

  test.each([
    { name: "at the first checkpoint", share: 0.8, says: "no space left on the device. There is no checkpoint yet." },
    {
      name: "at the second, beside the first",
      share: 1.7,
      says: "The checkpoint of step 1 is as it was: make room and go on with --resume.",
    },
  ])("$name keeps what was there, and with room it goes on to the same bits", async ({ share, says }) => {
    const { status, stderr, out } = onDisk(Math.floor(share * size), words);
    expect([status, stderr]).toEqual([1, expect.stringContaining(says)]);
    const left = readdirSync(join(out, "training/clip"));
    expect(left.filter((name) => name.startsWith("."))).toEqual([]);
    expect(existsSync(join(out, "training/clip/checkpoint.safetensors"))).toBe(share > 1);
    const roomy = join(folder.path, `roomy-${share}`);
    cpSync(out, roomy, { recursive: true });
    const resumed = await snoopi(words(roomy, "--resume"));
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringContaining(share > 1 ? "from 1\n" : "begins at step 0")]);
    expect(read(roomy)).toEqual(read(join(folder.path, "whole")));
  });
});
