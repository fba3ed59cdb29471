import { expect, test } from "vitest";
import { mt19937 } from "./mt19937.ts";

test("MT19937 gives the outputs the C++ standard requires of it: the first and the 10000th from seed 5489", () => {
  const next = mt19937(5489);
  expect(next()).toBe(3499211612);
  for (let i = 2; i < 10000; i++) next();
  expect(next()).toBe(4123659995);
});
