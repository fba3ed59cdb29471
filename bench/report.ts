import { cpus } from "node:os";
import type { Case } from "./cases.ts";
import type { LibraryInfo } from "./library.ts";
import type { Outcome } from "./measure.ts";
import type { Sample } from "./messages.ts";
import { median, minimum } from "./numbers.ts";
import type { Clock } from "./options.ts";
import type { Peak } from "./peak.ts";

/** GFLOP/s, or GB/s for cases that memory limits. */
const rateOf = ({ flops, bytes }: Case, ms: number): number => (flops ?? bytes!) / (1e6 * ms);

/** Milliseconds of samples by a clock. CPU time is divided by the number of cores for libraries that use them all: those on the adapter. */
export function times(samples: readonly Sample[], clock: Clock, on: LibraryInfo["on"]): number[] {
  return samples.map(({ wall, cpu }) => (clock === "wall" ? wall : on === "webgpu" ? cpu / cpus().length : cpu));
}

const short = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/**
 * The table's lines: rates, our share of the adapter's peak, and of the CPU's where it is the adapter, and our rate over that of the best
 * peer on the adapter and of the best of all.
 */
export function lines(
  results: readonly { case: Case; outcomes: readonly Outcome[] }[],
  libraries: readonly LibraryInfo[],
  peak: Peak,
  clock: Clock,
): string[][] {
  const heading = [
    "case",
    "",
    ...libraries.map((l) => l.name),
    "of peak",
    ...(peak.cpuGflops ? ["of CPU"] : []),
    "best GPU peer",
    "best peer",
  ];
  return [heading, ...results.map((r) => line(r.case, r.outcomes, libraries, peak, clock))];
}

function line(c: Case, outcomes: readonly Outcome[], libraries: readonly LibraryInfo[], peak: Peak, clock: Clock): string[] {
  const rates = libraries.map(({ name, on }) => {
    const outcome = outcomes.find((o) => o.library === name);
    const ms = times(outcome?.samples ?? [], clock, on);
    if (ms.length === 0) return { best: 0, text: outcome?.refused?.startsWith("wrong") ? "wrong" : "–" };
    return { best: rateOf(c, minimum(ms)), text: `${short(rateOf(c, minimum(ms)))} (${short(rateOf(c, median(ms)))})` };
  });
  const best = (chosen: (l: LibraryInfo) => boolean) => Math.max(0, ...libraries.map((l, i) => (chosen(l) ? rates[i].best : 0)));
  const ours = best((l) => l.name === "snoopi");
  const over = (rate: number) => (rate > 0 && ours > 0 ? `${short(ours / rate)}×` : "");
  const limit = c.flops ? peak.adapterGflops[clock] : peak.adapterGbps[clock];
  return [
    c.name,
    c.flops ? "GFLOP/s" : "GB/s",
    ...rates.map((r) => r.text),
    ours > 0 ? (ours / limit).toFixed(2) : "",
    ...(peak.cpuGflops ? [c.flops && ours > 0 ? (ours / peak.cpuGflops[clock]).toFixed(2) : ""] : []),
    over(best((l) => l.name !== "snoopi" && l.on === "webgpu")),
    over(best((l) => l.name !== "snoopi")),
  ];
}

/** Rows in columns as wide as they need to be; the first two columns to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => [...r[i]].length)));
  const pad = (text: string, i: number) => " ".repeat(widths[i] - [...text].length);
  return rows
    .map((r) =>
      r
        .map((text, i) => (i < 2 ? text + pad(text, i) : pad(text, i) + text))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
