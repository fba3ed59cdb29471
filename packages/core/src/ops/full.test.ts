import { expect, test } from "vitest";
import { createCpu } from "../cpu.ts";
import { tensor } from "../create.ts";
import { defaultDevice, ones, useDevice } from "./full.ts";

test("tensors are made on the device that useDevice chose, until it chooses another", () => {
  const [before, other] = [defaultDevice(), createCpu()];
  expect(useDevice(other)).toBe(before);
  try {
    expect([ones([2]).device, tensor([1]).device]).toEqual([other, other]);
    expect(tensor([1], { device: before }).device).toBe(before);
  } finally {
    expect(useDevice(before)).toBe(other);
  }
  expect(tensor([1]).device).toBe(before);
});
