import fc from "fast-check";
import { expect, test } from "vitest";
import { type Hash64, hashIndex } from "./hash-index.ts";

test("an index finds the records of each hash in their order, and none of others", () => {
  // Few low words, so that probes run into each other; words of 32 bits as they come from bytes.
  const hash = fc.tuple(fc.constantFrom(0, 1, 2047, 2048, 0xffffffff), fc.constantFrom(0, 5, 0x80000000));
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 60 }), hash, (hashes, other) => {
      const index = hashIndex();
      for (const one of hashes) index.add(one);
      expect(index.count).toBe(hashes.length);
      for (const wanted of [...hashes, other]) {
        const records = hashes.flatMap((one, i) => (one[0] === wanted[0] && one[1] === wanted[1] ? [i] : []));
        expect(index.find(wanted)).toEqual(records);
      }
    }),
  );
});

test("an index grows over many records", () => {
  const index = hashIndex();
  const hashOf = (i: number): Hash64 => [Math.imul(i, 0x9e3779b1) >>> 0, i];
  for (let i = 0; i < 20_000; i++) index.add(hashOf(i));
  for (let i = 0; i < 20_000; i++) expect(index.find(hashOf(i))).toEqual([i]);
  expect(index.find(hashOf(20_001))).toEqual([]);
});
