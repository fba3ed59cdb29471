// PNG's row filters (PNG specification, §9): each byte is replaced by its difference from a prediction by its neighbours, modulo 256.

/** `left`, `up` and `upLeft` → the prediction; the index is the filter's number in the file. */
const predictors: readonly ((left: number, up: number, upLeft: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, up) => up,
  (left, up) => (left + up) >> 1,
  paeth,
];

function paeth(left: number, up: number, upLeft: number): number {
  const toLeft = Math.abs(up - upLeft);
  const toUp = Math.abs(left - upLeft);
  const toUpLeft = Math.abs(left + up - 2 * upLeft);
  if (toLeft <= toUp && toLeft <= toUpLeft) return left;
  return toUp <= toUpLeft ? up : upLeft;
}

/**
 * `rows` rows of `stride` bytes → as many rows of a filter number and `stride` filtered bytes. Each row gets the filter whose output, read as signed
 * bytes, has the least sum of magnitudes: the specification's own heuristic (§12.7), which suits photographs.
 * @param step bytes per pixel
 */
export function filterRows(data: Uint8Array, shape: { rows: number; stride: number; step: number }): Uint8Array {
  const { rows, stride, step } = shape;
  const out = new Uint8Array(rows * (stride + 1));
  const row = new Uint8Array(stride);
  for (let y = 0; y < rows; y++) {
    const start = y * stride;
    let least = Number.POSITIVE_INFINITY;
    predictors.forEach((predict, filter) => {
      let sum = 0;
      for (let x = 0; x < stride; x++) {
        const left = x >= step ? data[start + x - step]! : 0;
        const up = y > 0 ? data[start + x - stride]! : 0;
        const upLeft = x >= step && y > 0 ? data[start + x - stride - step]! : 0;
        const difference = (data[start + x]! - predict(left, up, upLeft)) & 0xff;
        row[x] = difference;
        sum += Math.min(difference, 256 - difference);
      }
      if (sum >= least) return;
      least = sum;
      out[y * (stride + 1)] = filter;
      out.set(row, y * (stride + 1) + 1);
    });
  }
  return out;
}

/** The inverse of `filterRows`, or undefined where a row names no filter. */
export function unfilterRows(filtered: Uint8Array, shape: { rows: number; stride: number; step: number }): Uint8Array | undefined {
  const { rows, stride, step } = shape;
  const data = new Uint8Array(rows * stride);
  for (let y = 0; y < rows; y++) {
    const start = y * stride;
    const predict = predictors[filtered[y * (stride + 1)]!];
    if (!predict) return undefined;
    for (let x = 0; x < stride; x++) {
      const left = x >= step ? data[start + x - step]! : 0;
      const up = y > 0 ? data[start + x - stride]! : 0;
      const upLeft = x >= step && y > 0 ? data[start + x - stride - step]! : 0;
      data[start + x] = filtered[y * (stride + 1) + 1 + x]! + predict(left, up, upLeft);
    }
  }
  return data;
}
