import type { Block, Pool } from "./pool.ts";

/** Blocks reserved for one captured program: each may serve several of its tensors in turn, and no tensor outside it. */
export interface Claim {
  take(bytes: number): Block;
  give(block: Block): void;
  /** Returns free blocks to the pool now, the others when their tensors are released. */
  end(): void;
}

export function createClaim(pool: Pool): Claim {
  const free = new Map<number, Block[]>();
  const listOf = (bytes: number) => {
    const found = free.get(bytes) ?? [];
    free.set(bytes, found);
    return found;
  };
  let ended = false;
  return {
    take: (bytes) => free.get(pool.sizeFor(bytes))?.pop() ?? pool.take(bytes, "a captured program"),
    give(block) {
      if (ended) pool.give(block);
      else listOf(block.bytes).push(block);
    },
    end() {
      ended = true;
      for (const blocks of free.values()) for (const block of blocks) pool.give(block);
      free.clear();
    },
  };
}
