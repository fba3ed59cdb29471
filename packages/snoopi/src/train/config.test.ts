import { expect, test } from "vitest";
import { type StageName, trainSchemas } from "./config.ts";
import { readConfig } from "./schema.ts";

test.each<[StageName, number]>([
  ["vae", 1],
  ["clip", 2],
  ["teacher", 1],
])("an update of %s takes a batch of %i or more: of one pair, CLIP's loss is 0 whatever it learns", (name, least) => {
  const read = (batch: number) => readConfig(trainSchemas[name], { batch });
  expect(read(least).batch).toBe(least);
  expect(() => read(least - 1)).toThrow(`config: batch is ${least - 1}. Give a whole number of ${least} or more.`);
});
