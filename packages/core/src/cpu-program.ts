import type { Program } from "./device.ts";
import { type DType, type TypedArray, zerosOf } from "./dtype.ts";
import { Storage } from "./node.ts";

/** Collects the calls to be replayed, and the arrays they work on. */
export interface Collecting {
  allocate(dtype: DType, length: number): Storage;
  add(call: () => void): void;
  program(): Program;
  dispose(): void;
}

/** `hold` accounts for an array as the device does. An array that a value no longer needs is reused for the next of its type and length. */
export function createCollecting(hold: (data: TypedArray) => Storage): Collecting {
  const calls: (() => void)[] = [];
  let dispatches = 0;
  const owned: Storage[] = [];
  const free = new Map<string, Storage[]>();
  const dispose = () => {
    for (const storage of owned.splice(0)) storage.release();
    calls.length = 0;
  };
  return {
    allocate(dtype, length) {
      const key = `${dtype}:${length}`;
      let held = free.get(key)?.pop();
      if (!held) {
        held = hold(zerosOf(dtype, length));
        owned.push(held);
      }
      const base = held;
      const data = base.buffer as TypedArray;
      // References may count on fresh zeros, but a replay finds what the last run left in the array.
      calls.push(() => data.fill(0));
      return new Storage(data, base.bytes, () => {
        const same = free.get(key);
        if (same) same.push(base);
        else free.set(key, [base]);
      });
    },
    add(call) {
      dispatches++;
      calls.push(call);
    },
    program: () => ({
      dispatches,
      replay() {
        for (const call of calls) call();
      },
      [Symbol.dispose]: dispose,
    }),
    dispose,
  };
}
