/** 64 bits of a hash, as two words. */
export type Hash64 = readonly [low: number, high: number];

/** The records by their hashes. */
export interface HashIndex {
  readonly count: number;
  /** Enters the next record: they are numbered from 0. */
  add(hash: Hash64): void;
  /** The records of a hash, the oldest first. There are several where one was written again, or where two hashes agree in these 64 bits. */
  find(hash: Hash64): readonly number[];
}

const mostRecords = 2 ** 30;

/** A table with open addressing, at most half full: 16 to 32 bytes a record. */
export function hashIndex(): HashIndex {
  let words = new Uint32Array(2 * 1024);
  let slots = new Uint32Array(2 * 1024);
  let count = 0;

  const enter = (record: number) => {
    const mask = slots.length - 1;
    let at = words[2 * record] & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = record + 1;
  };
  const grow = () => {
    const wider = new Uint32Array(2 * words.length);
    wider.set(words);
    words = wider;
    slots = new Uint32Array(2 * slots.length);
    for (let record = 0; record < count; record++) enter(record);
  };

  return {
    get count() {
      return count;
    },
    add([low, high]) {
      if (count === mostRecords) throw new RangeError(`a table of more than ${mostRecords} records`);
      if (2 * count === words.length) grow();
      words[2 * count] = low;
      words[2 * count + 1] = high;
      enter(count++);
    },
    find([low, high]) {
      const found: number[] = [];
      const mask = slots.length - 1;
      for (let at = low & mask; slots[at] !== 0; at = (at + 1) & mask) {
        const record = slots[at] - 1;
        if (words[2 * record] === low >>> 0 && words[2 * record + 1] === high >>> 0) found.push(record);
      }
      return found;
    },
  };
}
