import type { StepCost } from "../train/student/dry.ts";

export interface SmallerBatchesOptions {
  readonly costOf: (batch: number) => StepCost;
  readonly fits: (cost: StepCost) => boolean;
  /** What the names of both keys begin with, including the dot. Default nothing. */
  readonly under?: string;
}

/**
 * Lines that say what would fit if a batch does not: the largest batch that does, and the largest one of which several make an update of as
 * many pictures. The latter's memory is estimated as that of one batch and the summed gradients; a dry run counts it exactly.
 */
export function smallerBatches(
  { batch, accumulate }: { readonly batch: number; readonly accumulate: number },
  { costOf, fits, under = "" }: SmallerBatchesOptions,
): string[] {
  const most = largest(batch, (n) => fits(costOf(n)));
  if (most === 0) return ["not even a batch of 1 would fit"];
  const lines = [`a batch of ${most} would fit, --set ${under}batch=${most}`];
  for (let n = most; n > 0; n--) {
    if (batch % n !== 0) continue;
    const cost = costOf(n);
    const deviceBytes = cost.deviceBytes + (accumulate > 1 ? 0 : gradientBytes(cost));
    if (!fits({ ...cost, deviceBytes })) continue;
    const keys = `--set ${under}batch=${n} --set ${under}accumulate=${(batch / n) * accumulate}`;
    lines.push(`as many pictures an update, ${n} at a time: ${keys}, about ${(deviceBytes / 2 ** 30).toPrecision(3)} GiB`);
    break;
  }
  return lines;
}

/** What an update of several batches keeps of the earlier ones: sums as large as the gradients. */
const gradientBytes = ({ parts }: StepCost): number =>
  parts.reduce((sum, [name, bytes]) => (name.endsWith(": gradients") ? sum + bytes : sum), 0);

/** The largest whole number below `end` that fits, by bisection (whatever is smaller fits too), or 0. */
function largest(end: number, fits: (n: number) => boolean): number {
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
