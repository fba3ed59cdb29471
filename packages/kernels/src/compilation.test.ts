import { expect, test } from "vitest";
import { examine } from "./compilation.ts";
import type { Kernel } from "./kernel.ts";

const kernel: Kernel = { name: "doubled", inputs: [], outWidth: 1, params: [], body: "fn main() {}" };

test("an error without a place is told without one", async () => {
  const module = {
    getCompilationInfo: async () => ({ messages: [{ type: "error", lineNum: 0, linePos: 0, message: "too many\nnames" }] }),
  };
  const failure = await examine(kernel, `struct P {}\n${kernel.body}`, module as unknown as GPUShaderModule, Promise.resolve(null));
  expect(failure).toMatchObject({ message: "doubled: the WGSL does not compile: too many.", line: undefined });
});
