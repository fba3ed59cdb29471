import { afterEach, beforeEach, expect } from "vitest";
import { liveStorages } from "../packages/core/src/node.ts";
import { collectGarbage } from "./collect-garbage.ts";

// A test ends with as many live storages as it began with: what it makes outside scopes it disposes of, or drops for the garbage collector.
// What a file makes for all its tests is computed before the first begins.

let before = 0;

beforeEach(() => {
  before = liveStorages();
});

afterEach(async () => {
  const more = () => liveStorages() - before;
  await collectGarbage(() => more() <= 0);
  expect(more(), "storages that outlive the test").toBeLessThanOrEqual(0);
});
