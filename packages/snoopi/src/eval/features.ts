import { SnoopiError } from "@snoopi/core";

/** N samples as rows of D features each, row-major: what an Inception, a CLIP or a judge's network computes for N pictures. */
export interface Features {
  readonly data: Float32Array | Float64Array;
  /** [N, D]. */
  readonly shape: readonly [number, number];
}

/**
 * @param fewest how few rows `metric` can work with.
 * @throws SnoopiError when the data does not fill the shape, there are fewer rows, or a value is not finite: one NaN would make
 * the whole figure NaN, and its picture could no longer be found.
 */
export function checkFeatures(metric: string, { data, shape: [rows, columns] }: Features, fewest = 1): void {
  if (!Number.isInteger(columns) || columns < 1 || data.length !== rows * columns) {
    throw new SnoopiError(`${metric}: ${data.length} values do not fill [${rows}, ${columns}]. Pass N rows of D features.`);
  }
  if (rows < fewest) throw new SnoopiError(`${metric}: ${rows} samples are too few. Pass at least ${fewest}.`);
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new SnoopiError(
      `${metric}: feature ${bad % columns} of sample ${Math.floor(bad / columns)} is ${data[bad]}. Leave out what has no features.`,
    );
  }
}

/** @throws SnoopiError when the widths differ, so the two are not of the same network. */
export function checkSameWidth(metric: string, a: number, b: number): void {
  if (a !== b) throw new SnoopiError(`${metric}: one side has ${a} features a sample, the other ${b}. Take both from the same network.`);
}
