import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createProgress, inParts, shownBytes, shownDuration } from "./progress.ts";

/** A stream that keeps what is written, and a clock that stands until it is moved. */
function recorder({ isTTY, columns = 80 }: { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  const clock = { at: 1000 };
  const stream = { write: (text: string) => written.push(text) };
  return { written, clock, progress: createProgress({ stream, isTTY, columns: () => columns, now: () => clock.at }) };
}

/** What a terminal shows after the writes. */
function screen(written: readonly string[]): string[] {
  const lines = [""];
  let column = 0;
  for (const character of written.join("")) {
    const line = lines.at(-1)!;
    if (character === "\n") lines.push("");
    if (character !== "\n" && character !== "\r") lines[lines.length - 1] = line.slice(0, column) + character + line.slice(column + 1);
    column = character === "\n" || character === "\r" ? 0 : column + 1;
  }
  return lines.map((line) => line.trimEnd());
}

describe("on a terminal", () => {
  test("one line shows bar, percent, amount, rate and time left, then what it took", () => {
    const { written, clock, progress } = recorder({ isTTY: true, columns: 100 });
    const load = progress.phase("load", 2_000_000_000, { unit: "bytes" });
    expect(screen(written)).toEqual([`load [${" ".repeat(24)}]   0%  0 B of 2.00 GB, 0.0 s`]);
    clock.at += 5000;
    load.advance(500_000_000);
    expect(screen(written)).toEqual([`load [${"=".repeat(6)}${" ".repeat(18)}]  25%  500 MB of 2.00 GB, 100 MB/s, 5.0 s, 15 s left`]);
    load.advance(1_500_000_000);
    load.done();
    expect(screen(written)).toEqual(["load: 2.00 GB in 5.0 s", ""]);
  });

  test("what was there before counts as done and not for the speed", () => {
    const { written, clock, progress } = recorder({ isTTY: true, columns: 100 });
    const steps = progress.phase("vae", 6000, { from: 1400 });
    expect(screen(written)).toEqual([`vae [${"=".repeat(6)}${" ".repeat(18)}]  23%  1400 of 6000, 0.0 s`]);
    clock.at += 46_000;
    steps.advance(100, "loss 0.5");
    expect(screen(written)).toEqual([`vae [${"=".repeat(6)}${" ".repeat(18)}]  25%  1500 of 6000, 46 s, 34 min 30 s left, loss 0.5`]);
    steps.advance(4500);
    steps.done();
    expect(screen(written)).toEqual(["vae: 4600 in 46 s", ""]);
  });

  test("draws at most twenty times a second", () => {
    const { written, clock, progress } = recorder({ isTTY: true });
    const steps = progress.phase("steps", 1000);
    for (let i = 0; i < 1000; i++) {
      clock.at += 1;
      steps.advance();
    }
    expect(written).toHaveLength(1 + 20);
  });

  test("no line is wider than the terminal", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.string({ maxLength: 80 }), (columns, name) => {
        const { written, clock, progress } = recorder({ isTTY: true, columns });
        const phase = progress.phase(name.replaceAll(/[\r\n]/g, " "), 10, { unit: "bytes" });
        clock.at += 100;
        phase.advance(3);
        phase.done();
        for (const text of written) expect(text.replaceAll(/[\r\n]/g, "").length).toBeLessThan(columns);
      }),
    );
  });

  test("close leaves an unfinished bar on its own line, once", () => {
    const { written, progress } = recorder({ isTTY: true });
    progress.phase("decode", 1);
    progress.close();
    progress.close();
    expect(screen(written)).toHaveLength(2);
  });

  test("a new phase does not write over an unfinished one", () => {
    const { written, progress } = recorder({ isTTY: true });
    progress.phase("text", 1);
    progress.phase("steps", 1);
    expect(screen(written).map((line) => line.split(" ")[0])).toEqual(["text", "steps"]);
  });
});

describe("not on a terminal", () => {
  test("prints the start, a line each ten seconds, and the end", () => {
    const { written, clock, progress } = recorder({ isTTY: false });
    const steps = progress.phase("steps", 30);
    for (let i = 0; i < 30; i++) {
      clock.at += 1000;
      steps.advance();
    }
    steps.done();
    expect(written).toEqual([
      "steps: 30\n",
      "steps: 33%, 10 of 30, 10 s, 20 s left\n",
      "steps: 66%, 20 of 30, 20 s, 10 s left\n",
      "steps: 100%, 30 of 30, 30 s\n",
      "steps: 30 in 30 s\n",
    ]);
  });
});

test("a whole of which only shares are known has no amounts", () => {
  const terminal = recorder({ isTTY: true });
  const decode = terminal.progress.phase("decode", 1, { unit: "share" });
  terminal.clock.at += 1000;
  decode.advance(0.25);
  expect(screen(terminal.written)).toEqual([`decode [${"=".repeat(6)}${" ".repeat(18)}]  25%  1.0 s, 3.0 s left`]);
  decode.done();
  expect(screen(terminal.written)).toEqual(["decode: 1.0 s", ""]);
  const { written, progress } = recorder({ isTTY: false });
  progress.phase("decode", 1, { unit: "share" }).done();
  expect(written).toEqual(["decode\n", "decode: 0.0 s\n"]);
});

test("fractions of a count are shown as what is complete", () => {
  const { written, clock, progress } = recorder({ isTTY: true });
  const steps = progress.phase("steps", 4);
  clock.at += 1000;
  steps.advance(1.75);
  expect(screen(written)[0]).toContain("43%  1 of 4");
  // 1.75 and these do not add up to 4 exactly in floating point.
  for (const part of [0.45, 0.9, 0.9]) steps.advance(part);
  steps.done();
  expect(screen(written)[0]).toBe("steps: 4 in 1.0 s");
});

test("a part begins where 0 is added, though it is called as the one before", () => {
  const { written, progress } = recorder({ isTTY: false });
  const { advance, done } = inParts(progress);
  for (const [part, total] of [
    ["floor", 8],
    ["floor", 8],
    ["table", 3],
  ] as const) {
    advance(part, 0, total);
    for (let i = 0; i < total; i++) advance(part, 1, total);
  }
  done();
  const floor = ["floor: 8\n", "floor: 8 in 0.0 s\n"];
  expect(written).toEqual([...floor, ...floor, "table: 3\n", "table: 3 in 0.0 s\n"]);
});

test("done twice prints once, and advance after done prints nothing", () => {
  const { written, clock, progress } = recorder({ isTTY: false });
  const phase = progress.phase("text", 1);
  phase.done();
  phase.done();
  clock.at += 60_000;
  phase.advance();
  expect(written).toHaveLength(2);
});

test("a phase with nothing to do is complete", () => {
  const { written, progress } = recorder({ isTTY: true });
  progress.phase("load", 0, { unit: "bytes" });
  expect(screen(written)[0]).toContain("100%");
});

test("a stream that throws or reports an error is written to no more", () => {
  let writes = 0;
  const throwing = createProgress({
    isTTY: false,
    stream: {
      write() {
        writes++;
        throw new Error("EPIPE");
      },
    },
  });
  throwing.phase("load", 1).done();
  expect(writes).toBe(1);

  let fail = () => {};
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), on: (_: "error", listener: () => void) => (fail = listener) };
  const closed = createProgress({ isTTY: false, stream });
  fail();
  closed.phase("load", 1).done();
  expect(written).toEqual([]);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [999_500, "1.00 MB"],
  [99_960_000, "100 MB"],
  [1_719_000_000, "1.72 GB"],
])("%i bytes are shown as %s", (bytes, shown) => {
  expect(shownBytes(bytes)).toBe(shown);
});

test.each([
  [0, "0.0 s"],
  [9949, "9.9 s"],
  [14_000, "14 s"],
  [59_500, "1 min 00 s"],
  [125_000, "2 min 05 s"],
  [3_720_000, "1 h 02 min"],
])("%i ms are shown as %s", (milliseconds, shown) => {
  expect(shownDuration(milliseconds)).toBe(shown);
});
