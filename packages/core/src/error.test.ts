import { expect, test } from "vitest";
import { collectGarbage } from "../../../test/collect-garbage.ts";
import { DeviceLostError, OpError, OutOfMemoryError, SnoopiError } from "./error.ts";

test("an error that is kept does not keep what its stack went through", async () => {
  let freed = false;
  const registry = new FinalizationRegistry(() => {
    freed = true;
  });
  const failing = () => {
    const on = {
      fail() {
        throw new SnoopiError("on purpose");
      },
    };
    registry.register(on, undefined);
    return on.fail();
  };
  let kept: unknown;
  try {
    failing();
  } catch (error) {
    kept = error;
  }
  await collectGarbage(() => freed);
  expect(freed).toBe(true);
  expect((kept as Error).stack).toContain("fail");
});

test.each([new SnoopiError("what"), new OpError("op", "what"), new DeviceLostError("what"), new OutOfMemoryError("what")])(
  "an error says its name, alone and above its stack: $name",
  (error) => {
    expect(error.name).toBe(error.constructor.name);
    expect(`${error}`).toBe(`${error.name}: ${error.message}`);
    expect(error.stack).toMatch(new RegExp(`^${error.name}: `));
  },
);
