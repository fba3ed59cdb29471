// A progress bar that draws only when told of progress: no timer, no colour, no escape codes but the carriage return.

/** What the bar needs of `process.stderr`. */
export interface ProgressStream {
  write(text: string): unknown;
  on?(event: "error", listener: () => void): unknown;
}

/** What a phase is measured in. */
export type Unit = "bytes" | "count" | "share";

export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** True redraws one line, false prints a line now and then. */
  readonly isTTY: boolean;
  /** Characters in a terminal's line, asked at each draw because windows change. 80 unless given. */
  readonly columns?: () => number | undefined;
  /** Milliseconds from any start. `performance.now` unless given. */
  readonly now?: () => number;
}

export interface Phase {
  /** Reports `amount` more, in the phase's unit, with a note to show, such as the loss. */
  advance(amount?: number, note?: string): void;
  /** Ends the phase and prints what it took. A second call does nothing. */
  done(): void;
}

export interface PhaseOptions {
  /** What `total` counts: items (default), bytes, or a whole of which only shares are known. */
  readonly unit?: Unit;
  /** How much was done before: it counts as done, but not for the speed. */
  readonly from?: number;
}

export interface Progress {
  /** Begins a part of the work. A phase still running is left as it stands. */
  phase(name: string, total: number, options?: PhaseOptions): Phase;
  /** Leaves an unfinished bar on a line of its own, so that an error message starts on the next one. */
  close(): void;
}

/** Milliseconds between two draws: at most 20 a second. */
const drawEvery = 50;
/** Milliseconds between two plain lines. */
const printEvery = 10_000;
const barWidth = 24;

/** Progress on `stream`. It never throws: when the stream closes, it falls silent. */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, isTTY, columns = () => 80, now = () => performance.now() } = options;
  let silent = false;
  let drawn = 0;
  stream.on?.("error", () => {
    silent = true;
  });

  function write(text: string): void {
    if (silent) return;
    try {
      stream.write(text);
    } catch {
      silent = true;
    }
  }

  /** Overwrites the previous line; blanks cover the rest of it. */
  function draw(text: string): void {
    const line = text.slice(0, Math.max(1, (columns() || 80) - 1));
    write(`\r${line.padEnd(drawn)}`);
    drawn = line.length;
  }

  function close(): void {
    if (drawn > 0) write("\n");
    drawn = 0;
  }

  function phase(name: string, total: number, { unit = "count", from = 0 }: PhaseOptions = {}): Phase {
    close();
    const start = now();
    let amount = from;
    let last = start;
    let running = true;
    let told = "";
    const state = () => ({ name, amount, from, total, unit, elapsed: now() - start, note: told });
    if (isTTY) draw(barLine(state()));
    else write(`${name}${unit === "share" ? "" : `: ${shownAmount(total, unit)}`}${from > 0 ? `, from ${shownAmount(from, unit)}` : ""}\n`);

    return {
      advance(by = 1, note = "") {
        if (!running) return;
        amount += by;
        told = note;
        if (now() - last < (isTTY ? drawEvery : printEvery)) return;
        last = now();
        if (isTTY) draw(barLine(state()));
        else write(`${plainLine(state())}\n`);
      },
      done() {
        if (!running) return;
        running = false;
        const took = shownDuration(now() - start);
        const line = unit === "share" ? `${name}: ${took}` : `${name}: ${shownAmount(amount - from, unit)} in ${took}`;
        if (isTTY) draw(line);
        write(isTTY ? "\n" : `${line}\n`);
        drawn = 0;
      },
    };
  }

  return { phase, close };
}

/** Parts of a work, a phase for each. */
export interface Parts {
  /** Begins a part where 0 is added, also one of the name of the part before, which then is done; else reports that much more of it. */
  advance(part: string, added: number, total: number, note?: string): void;
  /** Ends the last part. */
  done(): void;
}

export function inParts(progress: Progress): Parts {
  let phase: Phase | undefined;
  return {
    advance(part, added, total, note) {
      if (added > 0) return phase?.advance(added, note);
      phase?.done();
      phase = progress.phase(part, total);
    },
    done: () => phase?.done(),
  };
}

interface PhaseState {
  readonly name: string;
  readonly amount: number;
  readonly from: number;
  readonly total: number;
  readonly unit: Unit;
  readonly elapsed: number;
  readonly note: string;
}

function barLine(state: PhaseState): string {
  const full = Math.round(fraction(state) * barWidth);
  return `${state.name} [${"=".repeat(full)}${" ".repeat(barWidth - full)}] ${percent(state)}  ${details(state)}`;
}

function plainLine(state: PhaseState): string {
  return `${state.name}: ${percent(state).trim()}, ${details(state)}`;
}

function details(state: PhaseState): string {
  const { amount, from, total, unit, elapsed, note } = state;
  const done = amount - from;
  const parts = unit === "share" ? [] : [`${shownAmount(amount, unit)} of ${shownAmount(total, unit)}`];
  if (unit === "bytes" && done > 0 && elapsed > 0) parts.push(`${shownBytes((done / elapsed) * 1000)}/s`);
  parts.push(shownDuration(elapsed));
  if (done > 0 && amount < total) parts.push(`${shownDuration((elapsed / done) * (total - amount))} left`);
  if (note) parts.push(note);
  return parts.join(", ");
}

function fraction({ amount, total }: PhaseState): number {
  return total > 0 ? Math.min(1, amount / total) : 1;
}

/** Rounded down, so that 100% means all of it. */
function percent(state: PhaseState): string {
  return `${Math.floor(fraction(state) * 100)}%`.padStart(4);
}

function shownAmount(amount: number, unit: Unit): string {
  // Sums of fractions of a step end just below the whole.
  return unit === "bytes" ? shownBytes(amount) : String(Math.floor(amount + 1e-9));
}

/** Bytes in powers of 1000 with three digits: `999 B`, `1.72 GB`. */
export function shownBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  // 999.5 would be shown as 1000: it belongs to the next unit.
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Milliseconds as a person says them: `0.4 s`, `14 s`, `2 min 05 s`, `1 h 02 min`. */
export function shownDuration(milliseconds: number): string {
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
}
