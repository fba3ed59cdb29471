import type { StepCost } from "../train/student/dry.ts";

export interface SmallerBatchesOptions {
  readonly costOf: (batch: number) => StepCost;
  readonly fits: (cost: StepCost) => boolean;
  /** The keys above both, with a dot at the end. Default none. */
  readonly under?: string;
}

/**
 * Lines that say what would fit where a batch does not: the largest that does, and where several make an update of as many pictures, the
 * largest of those. What that needs is foretold by one batch and the gradients of those before; a dry run of it counts the rest.
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

/** What an update of several batches keeps of those before: sums as large as the gradients. */
const gradientBytes = ({ parts }: StepCost): number =>
  parts.reduce((sum, [name, bytes]) => (name.endsWith(": gradients") ? sum + bytes : sum), 0);

/** The largest whole number below `end` that fits, of which all smaller ones do; 0 where none does. */
function largest(end: number, fits: (n: number) => boolean): number {
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
