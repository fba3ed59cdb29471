import { expect, test } from "vitest";
import { full } from "./index.ts";

test("a loop that only awaits results on the CPU lets timers and signals through", async () => {
  const begun = performance.now();
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 1);
  let rounds = 0;
  while (!controller.signal.aborted && performance.now() - begun < 5_000) {
    using x = full([64], 1).add(rounds++);
    await x.data();
  }
  expect(controller.signal.aborted).toBe(true);
});
