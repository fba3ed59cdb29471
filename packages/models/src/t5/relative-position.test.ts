import { expect, test } from "vitest";
import { goldenJson } from "../../../../test/models/goldens.ts";
import { relativeBucket } from "./relative-position.ts";

const { farthest, buckets }: { farthest: number; buckets: { numBuckets: number; maxDistance: number; of: number[] }[] } =
  goldenJson("text/t5");

test.each(buckets)(
  "distances fall into transformers' $numBuckets buckets, up to $maxDistance tokens away",
  ({ numBuckets, maxDistance, of }) => {
    const sizes = { relativeAttentionNumBuckets: numBuckets, relativeAttentionMaxDistance: maxDistance };
    const ours = Array.from({ length: 2 * farthest + 1 }, (_, i) => relativeBucket(i - farthest, sizes));
    expect(ours).toEqual(of);
    expect([ours[0], ours.at(-1)]).toEqual([Math.floor(numBuckets / 2) - 1, 2 * Math.floor(numBuckets / 2) - 1]);
  },
);
