import { foldIn, keyFromSeed, SnoopiError } from "@snoopi/core";
import { blockOrder } from "./block-order.ts";
import { cursorAfter, type PromptCursor, type PromptRow, type PromptSource, promptStart } from "./prompt-row.ts";

/** How far a run has come in its prompts. Data, to be kept as JSON beside a checkpoint. */
export interface PromptPosition {
  /** How often the source has been read through. */
  readonly epoch: number;
  /** The block that is next, and how many of its prompts were taken. */
  readonly block: number;
  readonly taken: number;
  /** Where the block begins. */
  readonly cursor: PromptCursor;
  /** What determines the order: a position is valid only for the same values. */
  readonly order: { readonly size: number; readonly seed: number | null; readonly blockLength: number };
}

export interface PromptBatchesOptions {
  readonly source: PromptSource;
  /** Prompts of a batch. */
  readonly batch: number;
  /** Of the order; null keeps the source's. */
  readonly seed: number | null;
  /**
   * Prompts are shuffled within blocks of this many, held in memory. Across blocks a sorted source stays sorted: shuffle such a file
   * before. Default 65,536.
   */
  readonly blockLength?: number;
  /** Where to go on. Default at the beginning. */
  readonly position?: PromptPosition;
  /** How often the source is read. Default: without end. */
  readonly epochs?: number;
}

export interface PromptBatch {
  readonly prompts: readonly string[];
  /** Where to go on after this batch. */
  readonly position: PromptPosition;
}

/**
 * Batches of a source's prompts, in blocks that are shuffled with a key of seed, epoch and block. Each epoch has every prompt once; a batch
 * may hold the end of one and the beginning of the next, and only the last of all may be smaller. Beginning at a batch's position gives
 * exactly the batches that would have followed.
 *
 * @throws SnoopiError for a position of another order, and what the source throws.
 */
export async function* promptBatches(options: PromptBatchesOptions): AsyncGenerator<PromptBatch, void, undefined> {
  const { batch } = options;
  for (const [name, value] of Object.entries({ batch, blockLength: options.blockLength ?? 1, epochs: options.epochs ?? 1 })) {
    if (!(value >= 1) || (Number.isFinite(value) && !Number.isSafeInteger(value)))
      throw new SnoopiError(`promptBatches: ${name} is ${value}. Give a whole number of 1 or more.`);
  }
  let prompts: string[] = [];
  let last: PromptPosition | undefined;
  for await (const { block, order, from, position } of shuffledBlocks(options)) {
    for (let i = from; i < block.length; i++) {
      prompts.push(block[order ? order[i] : i].prompt);
      last = position(i + 1);
      if (prompts.length === batch) {
        yield { prompts, position: last };
        prompts = [];
      }
    }
  }
  if (prompts.length > 0 && last) yield { prompts, position: last };
}

interface ShuffledBlock {
  readonly block: readonly PromptRow[];
  readonly order: Uint32Array | undefined;
  /** How many of them were taken before. */
  readonly from: number;
  readonly position: (taken: number) => PromptPosition;
}

async function* shuffledBlocks({ source, seed, position: start, ...options }: PromptBatchesOptions): AsyncGenerator<ShuffledBlock, void> {
  const { blockLength = 65536, epochs = Number.POSITIVE_INFINITY } = options;
  const order = { size: source.size, seed, blockLength };
  if (start) refuseOtherOrder(source.name, start.order, order);
  const key = seed === null ? undefined : keyFromSeed(seed);
  let { epoch, block: index, taken, cursor } = start ?? { epoch: 0, block: 0, taken: 0, cursor: promptStart };
  for (; epoch < epochs; epoch++) {
    const fresh = cursor.line === 0 && !cursor.file;
    let any = false;
    for await (const block of blocksOf(source.read(cursor), blockLength)) {
      any = true;
      const next = cursorAfter(block[block.length - 1]);
      const here = { epoch, block: index, cursor, order };
      yield {
        block,
        order: key && blockOrder(foldIn(foldIn(key, epoch), index), block.length),
        from: taken,
        position: (taken) => (taken < block.length ? { ...here, taken } : { ...here, block: here.block + 1, taken: 0, cursor: next }),
      };
      taken = 0;
      cursor = next;
      index++;
    }
    if (!any && fresh) throw new SnoopiError(`${source.name}: there is no prompt in it.`);
    [index, taken, cursor] = [0, 0, promptStart];
  }
}

async function* blocksOf(rows: AsyncIterable<PromptRow>, length: number): AsyncGenerator<readonly PromptRow[], void> {
  let block: PromptRow[] = [];
  for await (const row of rows) {
    block.push(row);
    if (block.length === length) {
      yield block;
      block = [];
    }
  }
  if (block.length > 0) yield block;
}

function refuseOtherOrder(name: string, there: PromptPosition["order"], here: PromptPosition["order"]): void {
  for (const key of ["size", "seed", "blockLength"] as const) {
    if (there[key] === here[key]) continue;
    throw new SnoopiError(
      `${name}: the position is of another order: ${key} is ${there[key]} there and ${here[key]} here. Begin without it.`,
    );
  }
}
