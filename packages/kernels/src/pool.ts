import { type MemoryReport, OutOfMemoryError } from "@snoopi/core";

/** A GPU buffer that is never handed to two tensors at once. */
export interface Block {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** The submit whose commands, still being encoded, use this block; −1 if none has. */
  usedBy: number;
}

/** Rounded so that nearly equal sizes share blocks, wasting at most an eighth. Reads of four elements may run into the rounding. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil((Math.ceil(bytes / step) * step) / 256) * 256;
}

/** Buffers for reuse, by size. Work runs in order on one queue, so a block may be taken again as soon as its last reader is encoded. */
export class Pool {
  readonly #device: GPUDevice;
  readonly #maxBytes: number;
  readonly #free = new Map<number, Block[]>();
  #next = 0;
  #live = { tensors: 0, bytes: 0, peakBytes: 0, peakDeviceBytes: 0 };
  #pooled = 0;

  constructor(device: GPUDevice, maxBytes: number) {
    this.#device = device;
    this.#maxBytes = maxBytes;
  }

  take(bytes: number): Block {
    let size = sizeClass(bytes);
    if (size > this.#maxBytes) size = Math.ceil(bytes / 256) * 256;
    if (size > this.#maxBytes) {
      throw new OutOfMemoryError(
        `webgpu: a tensor of ${bytes} bytes does not fit into one buffer of this device, which holds ${this.#maxBytes}. Use a smaller batch or size.`,
      );
    }
    const reused = this.#free.get(size)?.pop();
    if (reused) this.#pooled -= size;
    this.#live.tensors++;
    this.#live.bytes += size;
    this.#live.peakBytes = Math.max(this.#live.peakBytes, this.#live.bytes);
    this.#live.peakDeviceBytes = Math.max(this.#live.peakDeviceBytes, this.#live.bytes + this.#pooled);
    return reused ?? this.#create(size);
  }

  give(block: Block): void {
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

  #create(size: number): Block {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    return { id: this.#next++, buffer: this.#device.createBuffer({ size, usage }), bytes: size, usedBy: -1 };
  }
}
