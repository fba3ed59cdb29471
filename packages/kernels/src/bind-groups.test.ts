import { readFileSync } from "node:fs";
import type { Storage } from "@snoopi/core";
import { afterAll, expect, test } from "vitest";
import { webgpu } from "./node.ts";

const device = await webgpu();
afterAll(() => device.destroy());

const layout = { shape: [64], strides: [1], offset: 0 };
const copy = { term: { kind: "input", index: 0, dtype: "f32" }, constants: [] } as const;

/** A program of a thousand launches, each of which needs a bind group of its own. */
function thousand(x: Storage, on = device) {
  const program = on.capture(() => {
    const rooms = Array.from({ length: 1000 }, () => on.allocate("f32", 64));
    for (const storage of rooms) on.elementwise(copy, [{ storage: x, layout, dtype: "f32" }], { storage, layout, dtype: "f32" });
    for (const room of rooms) room.release();
  });
  program.replay();
  return program;
}

test("whoever opens a device can count its bind groups", async () => {
  let made = 0;
  const counted = await webgpu({
    boundAnother() {
      made++;
    },
  });
  const x = counted.upload("f32", new Float32Array(64));
  const program = thousand(x, counted);
  expect(made).toBe(1000);
  program[Symbol.dispose]();
  x.release();
  counted.destroy();
});

// On lavapipe each is a mapping of memory, of which a process may have 65,530.
test.runIf(process.platform === "linux" && device.facts.software)("bind groups of programs that were let go are freed", async () => {
  const x = device.upload("f32", new Float32Array(64));
  const mappings = () => readFileSync("/proc/self/maps", "utf8").split("\n").length;
  const before = mappings();
  const some = async () => {
    const programs = Array.from({ length: 4 }, () => thousand(x));
    await device.idle();
    for (const program of programs) program[Symbol.dispose]();
  };
  for (let round = 0; round < 8; round++) {
    await some();
    await device.idle();
  }
  x.release();
  // Of 32,000 made: the four thousand alive at once, and those made since the last collection.
  expect(mappings() - before).toBeLessThan(20_000);
});
