import { type Block, type Pool, sizeClass } from "./pool.ts";

/** Blocks that a program keeps to itself: one may serve several of its tensors in turn, and no tensor of anybody else. */
export interface Claim {
  take(bytes: number): Block;
  give(block: Block): void;
  /** Returns every block to the pool, now or when the tensors in it are let go. */
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
    take: (bytes) => free.get(sizeClass(bytes))?.pop() ?? pool.take(bytes, "a captured program"),
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
