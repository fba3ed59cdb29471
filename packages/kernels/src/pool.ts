import { type MemoryReport, OutOfMemoryError } from "@snoopi/core";

/** A GPU buffer that is never handed to two tensors at once. */
export interface Block {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Serial of the latest submit, perhaps still being encoded, that uses this block; −1 if none does. */
  usedBy: number;
}

/** Rounds up so that nearly equal sizes share blocks, wasting at most an eighth or 255 bytes. Reads of four may run into the rounding. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil((Math.ceil(bytes / step) * step) / 256) * 256;
}

export interface PoolOptions {
  /** The most bytes that a kernel can bind. Default no limit. */
  readonly maxBinding?: number;
  /** The most that tensors and freed blocks may hold together. Default no limit. */
  readonly budgetBytes?: number;
  /** Submits everything encoded and drops references to free blocks, as must happen before {@link Pool.trim}. */
  readonly settle?: () => void;
}

/** Buffers for reuse, by size. Work runs in order on one queue, so a block may be taken again as soon as its last reader is encoded. */
export class Pool {
  readonly #device: GPUDevice;
  readonly #maxBytes: number;
  readonly #maxBinding: number;
  readonly #budget: number;
  readonly #settle: () => void;
  readonly #free = new Map<number, Block[]>();
  /** What live blocks were taken for. */
  readonly #owners = new Map<Block, string>();
  #next = 0;
  #live = { tensors: 0, bytes: 0, peakBytes: 0, peakDeviceBytes: 0 };
  #pooled = 0;

  constructor(device: GPUDevice, maxBytes: number, options: PoolOptions = {}) {
    const { maxBinding = Number.POSITIVE_INFINITY, budgetBytes = Number.POSITIVE_INFINITY, settle = () => {} } = options;
    this.#device = device;
    this.#maxBytes = maxBytes;
    this.#maxBinding = maxBinding;
    this.#budget = budgetBytes;
    this.#settle = settle;
  }

  /** The size of a block that is taken for so many bytes: their class, unless that exceeds a limit which they do not. */
  sizeFor(bytes: number): number {
    const size = sizeClass(bytes);
    const exceeds = (limit: number) => bytes <= limit && size > limit;
    return exceeds(this.#maxBytes) || exceeds(this.#maxBinding) ? Math.ceil(bytes / 256) * 256 : size;
  }

  /**
   * `owner` says what the block is for, in errors.
   * @throws OutOfMemoryError for more than one buffer holds, or more than the budget allows after blocks kept for reuse are freed.
   */
  take(bytes: number, owner = ""): Block {
    const size = this.sizeFor(bytes);
    if (size > this.#maxBytes) {
      throw new OutOfMemoryError(
        `webgpu: a tensor of ${bytes} bytes does not fit into one buffer of this device, which holds ${this.#maxBytes}. Use a smaller batch or size.`,
      );
    }
    const block = this.#reuse(size) ?? this.#create(size);
    this.#owners.set(block, owner);
    this.#live.tensors++;
    this.#live.bytes += size;
    this.#live.peakBytes = Math.max(this.#live.peakBytes, this.#live.bytes);
    this.#live.peakDeviceBytes = Math.max(this.#live.peakDeviceBytes, this.#live.bytes + this.#pooled);
    return block;
  }

  give(block: Block): void {
    this.#owners.delete(block);
    this.#live.tensors--;
    this.#live.bytes -= block.bytes;
    this.#pooled += block.bytes;
    const same = this.#free.get(block.bytes);
    if (same) same.push(block);
    else this.#free.set(block.bytes, [block]);
  }

  /** Returns what is not in use to the system. Call it only when everything encoded has been submitted. */
  trim(): void {
    for (const blocks of this.#free.values()) for (const block of blocks) block.buffer.destroy();
    this.#free.clear();
    this.#pooled = 0;
  }

  memory(): MemoryReport {
    return { ...this.#live, pooledBytes: this.#pooled };
  }

  #reuse(size: number): Block | undefined {
    const block = this.#free.get(size)?.pop();
    if (block) this.#pooled -= size;
    return block;
  }

  #create(size: number): Block {
    this.#makeRoom(size);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    return { id: this.#next++, buffer: this.#device.createBuffer({ size, usage }), bytes: size, usedBy: -1 };
  }

  #makeRoom(size: number): void {
    const { bytes } = this.#live;
    if (bytes + this.#pooled + size <= this.#budget) return;
    if (this.#pooled > 0) {
      this.#settle();
      this.trim();
    }
    if (bytes + size <= this.#budget) return;
    throw new OutOfMemoryError(
      `webgpu: ${size} bytes more do not fit into the budget of ${this.#budget}, of which ${bytes} are held${this.#largest()}. Dispose of what is not needed, use a smaller batch or size, or raise budgetBytes.`,
    );
  }

  /** The five groups of equal blocks that hold the most bytes, for errors. */
  #largest(): string {
    const groups = new Map<string, { count: number; bytes: number }>();
    for (const [{ bytes }, owner] of this.#owners) {
      const what = `${bytes} bytes${owner && ` (${owner})`}`;
      const { count, bytes: all } = groups.get(what) ?? { count: 0, bytes: 0 };
      groups.set(what, { count: count + 1, bytes: all + bytes });
    }
    const top = [...groups].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, 5);
    return top.length ? `: ${top.map(([what, { count }]) => `${count} of ${what}`).join(", ")}` : "";
  }
}
