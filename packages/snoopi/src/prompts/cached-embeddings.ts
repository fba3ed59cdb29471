import { cast, type Device, fromData, noGrad, SnoopiError, scope, show, type Tensor } from "@snoopi/core";

/** Embeddings of one shape, kept by prompt. All calls are synchronous. */
export interface EmbeddingStore {
  /** Shape of one prompt's embedding. */
  readonly shape: readonly [tokens: number, width: number];
  /** How the numbers are kept. */
  readonly dtype: "f32" | "f16";
  /** Whether `add` may be called. */
  readonly writable: boolean;
  /** The embeddings of prompts, one after another. Rows of those that it lacks are zero, and their indices are in `missing`. */
  find(prompts: readonly string[]): FoundEmbeddings;
  /** Keeps embeddings `[n, tokens, width]`. */
  add(prompts: readonly string[], rows: EmbeddingRows): void;
  /** Numbers in the stored format. @throws SnoopiError for any that is not finite in it. */
  stored(rows: Float32Array): EmbeddingRows;
}

/** f32, or the bits of f16. */
export type EmbeddingRows = Float32Array | Uint16Array;

export interface FoundEmbeddings {
  readonly data: EmbeddingRows;
  readonly missing: readonly number[];
}

/** How many prompts are encoded at once, by default. */
export const encodedAtOnce = 64;

export interface CachedEmbeddingsOptions {
  /** The text encoder: some prompts to `[n, tokens, width]`, recorded or awaited. */
  readonly encode: (prompts: readonly string[]) => Tensor | Promise<Tensor>;
  /** The most prompts that are encoded at once. Default {@link encodedAtOnce}. */
  readonly batch?: number;
  readonly device: Device;
}

/** Prompts to their embeddings `[n, tokens, width]` in f32, which the caller owns. */
export type CachedEmbeddings = (prompts: readonly string[]) => Promise<Tensor>;

/**
 * An encoder that caches its results. Prompts that the store lacks are encoded in the order in which they come, each once, several at a
 * time. All results go through the store's number format, so that a prompt has the same embedding the first time and later. Calls wait for
 * each other.
 *
 * @throws SnoopiError when the encoder's results are of another shape or not finite.
 */
export function cachedEmbeddings(store: EmbeddingStore, options: CachedEmbeddingsOptions): CachedEmbeddings {
  let last: Promise<unknown> = Promise.resolve();
  const embeddings = async (prompts: readonly string[]): Promise<Tensor> => {
    const { data, missing } = store.find(prompts);
    const encoded = await encodeMissing(store, options, [...new Set(missing.map((i) => prompts[i]))]);
    const size = store.shape[0] * store.shape[1];
    for (const i of missing) data.set(encoded.get(prompts[i])!, i * size);
    const { dtype } = store;
    return scope(() => cast(fromData(data, { shape: [prompts.length, ...store.shape], dtype, device: options.device }), "f32"));
  };
  return (prompts) => {
    const now = last.then(() => embeddings(prompts));
    last = now.catch(() => {});
    return now;
  };
}

export interface FillEmbeddingsOptions extends Omit<CachedEmbeddingsOptions, "device"> {
  readonly signal?: AbortSignal;
  /** Called with how many more prompts have been looked at. */
  readonly onPrompts?: (count: number) => void;
}

/**
 * Encodes the prompts that a store lacks, so that `find` has them all. Each record is read, and a broken one is encoded again.
 * @returns whether it finished: false when the signal asked to stop.
 * @throws SnoopiError as {@link cachedEmbeddings} does.
 */
export async function fillEmbeddings(store: EmbeddingStore, prompts: Iterable<string>, options: FillEmbeddingsOptions): Promise<boolean> {
  const { batch = encodedAtOnce, signal, onPrompts } = options;
  const waiting = new Set<string>();
  let some: string[] = [];
  const look = async () => {
    for (const i of store.find(some).missing) waiting.add(some[i]);
    if (waiting.size >= batch) await encodeWaiting();
    onPrompts?.(some.length);
    some = [];
  };
  const encodeWaiting = async () => {
    await encodeMissing(store, options, [...waiting]);
    waiting.clear();
  };
  for (const prompt of prompts) {
    if (signal?.aborted) return false;
    some.push(prompt);
    if (some.length === batch) await look();
  }
  await look();
  await encodeWaiting();
  return true;
}

async function encodeMissing(
  store: EmbeddingStore,
  { encode, batch = encodedAtOnce }: Omit<CachedEmbeddingsOptions, "device">,
  prompts: readonly string[],
): Promise<Map<string, EmbeddingRows>> {
  const size = store.shape[0] * store.shape[1];
  const encoded = new Map<string, EmbeddingRows>();
  for (let first = 0; first < prompts.length; first += batch) {
    const some = prompts.slice(first, first + batch);
    const rows = store.stored(await encodedRows(some, store, encode));
    if (store.writable) store.add(some, rows);
    for (const [i, prompt] of some.entries()) encoded.set(prompt, rows.subarray(i * size, (i + 1) * size));
  }
  return encoded;
}

function encodedRows(
  prompts: readonly string[],
  { shape }: EmbeddingStore,
  encode: CachedEmbeddingsOptions["encode"],
): Promise<Float32Array> {
  return scope(async (s) => {
    const tensor = await s.run(() => noGrad(() => encode(prompts)));
    const wanted = show([prompts.length, ...shape]);
    if (show(tensor.shape) !== wanted) {
      throw new SnoopiError(
        `cachedEmbeddings: the encoder made ${show(tensor.shape)}, and the store keeps ${wanted}. Open one of its shape.`,
      );
    }
    const plain = s.run(() => noGrad(() => cast(tensor, "f32")));
    return Float32Array.from((await plain.data()) as Float32Array);
  });
}
