import { SnoopiError } from "@snoopi/core";
import { expect, test } from "vitest";
import { isStop, Stopped, stoppedEarly } from "./interrupt.ts";

test("a stop is the signal's reason, what was made of it, or what says that it stopped; what fails meanwhile is none", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const full = new SnoopiError("x.safetensors: it cannot be written, no space left on the device.");
  expect([new Stopped("stopped."), full].map((error) => isStop(error, signal))).toEqual([false, false]);
  controller.abort();
  const { reason } = signal;
  const stops = [reason, new Error("broken off", { cause: reason }), new Stopped("stopped.", { cause: reason }), new Stopped("stopped.")];
  expect(stops.map((error) => isStop(error, signal))).toEqual([true, true, true, true]);
  const failures = [full, new SnoopiError("no", { cause: full }), new DOMException("another", "AbortError"), undefined, "x"];
  expect(failures.map((error) => isStop(error, signal))).toEqual([false, false, false, false, false]);
});

test("nothing was written is said of commands that keep nothing, and of no other", () => {
  const said = ["generate", "download", "merge", "train", "distill", "eval"].map(stoppedEarly);
  const [nothing, again] = ["stopped. Nothing was written.", "stopped. Give the same command again."];
  expect(said).toEqual([nothing, nothing, nothing, again, again, again]);
});
