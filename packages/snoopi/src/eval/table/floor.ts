import { SnoopiError } from "@snoopi/core";
import type { Judgement } from "../../world/judge.ts";

/**
 * What a picture has to reach to count as one of the world: the judge's `psnr` in dB and `explained` share. `psnr` alone would let bare grounds
 * pass (a small pale shape is missing from few pixels), `explained` alone faint smears.
 */
export interface Floor {
  readonly psnr: number;
  readonly explained: number;
}

type Seen = Pick<Judgement, "psnr" | "explained">;

/** Whether the world could have drawn a picture: what the judge redraws of it comes as near as the floor asks, in both figures. */
export const isValid = ({ psnr, explained }: Seen, floor: Floor): boolean => psnr >= floor.psnr && explained >= floor.explained;

/**
 * The floor set by a VAE's round trips of true pictures: at most the worst `share` of them stays below. Both thresholds are the same
 * quantile of their figure, the highest that lets the others pass.
 */
export function floorOf(seen: readonly Seen[], { share = 0.05 } = {}): Floor {
  const at = (quantileShare: number): Floor => ({
    psnr: quantile(
      seen.map(({ psnr }) => psnr),
      quantileShare,
    ),
    explained: quantile(
      seen.map(({ explained }) => explained),
      quantileShare,
    ),
  });
  const fails = (floor: Floor) => seen.filter((one) => !isValid(one, floor)).length;
  const most = share * seen.length;
  let [low, high] = [0, share];
  if (fails(at(high)) <= most) return at(high);
  // Failures only grow with the quantile. Steps finer than half a picture's share change nothing that counts.
  while (high - low > 0.25 / seen.length) {
    const middle = (low + high) / 2;
    if (fails(at(middle)) <= most) low = middle;
    else high = middle;
  }
  return at(low);
}

/**
 * NumPy's and PyTorch's default quantile: linear between the two nearest values.
 * @throws SnoopiError for no values, one that is NaN, and a share beyond 0 … 1.
 */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0 || values.some(Number.isNaN) || !(share >= 0 && share <= 1)) {
    throw new SnoopiError(`quantile: ${share} of ${values.length} values. Pass at least 1 number, none NaN, and a share from 0 to 1.`);
  }
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  // Equal infinities have no difference.
  return low === high ? low : low + (at - Math.floor(at)) * (high - low);
}
