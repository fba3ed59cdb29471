import { expect, test } from "vitest";
import { bundle } from "./bundle.ts";

test("the tokenizer's merges, which only checkpoints in single files need, are in a file of their own", async () => {
  const code = (name: string) => `export { ${name} } from "@snoopi/models";`;
  const [without, all] = [
    await bundle("folders", { code: code("filesFolder") }),
    await bundle("single", { code: code("singleFileFolder") }),
  ];
  expect([...without.files.values()].some((text) => text.includes("jekyll"))).toBe(false);
  const holding = [...all.files].filter(([, text]) => text.length > 400_000).map(([name]) => name);
  expect(holding).toEqual([expect.stringMatching(/^single-clip-merges/)]);
  // All that is loaded at once: the reading of headers, configs and names.
  expect(all.gzipBytes).toBeLessThan(40_000);
});
