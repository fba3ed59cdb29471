import type { Tensor } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { shownBytes } from "../../cli/progress.ts";
import type { OpenModel } from "../../pipeline/open.ts";
import { type EmbeddingStore, fillEmbeddings } from "../../prompts/cached-embeddings.ts";
import { openEmbeddingCache } from "../../prompts/node/embedding-cache.ts";
import { encoderIdentity } from "../../prompts/node/encoder-identity.ts";
import type { TextList } from "../student/prompt-bank.ts";

/** Encoded prompts on disk. */
export interface KeptTexts extends Disposable {
  readonly store: EmbeddingStore;
  /** How many texts it has to hold. */
  readonly total: number;
  /** Encodes what is missing and frees the text encoder; false when the signal asked to stop. */
  fill(options: { readonly signal: AbortSignal; readonly onTexts?: (count: number) => void }): Promise<boolean>;
}

export interface KeptTextsOptions {
  readonly folder: string;
  readonly dtype: "f16" | "f32";
  /** The dtype of the text encoder's weights in memory, which its results depend on. */
  readonly base: "f16" | "f32";
  /** The folder of the pipeline whose text encoder made them. */
  readonly pipeline: string;
  readonly model: OpenModel;
  readonly lists: readonly TextList[];
  readonly encode: (texts: readonly string[]) => Tensor;
  /** Frees the text encoder. */
  readonly unload: () => void;
  readonly onNote?: (line: string) => void;
}

/** Opens the cache of a model's encoded prompts. @throws SnoopiError when it is of another encoder, or another process fills it. */
export async function openKeptTexts(options: KeptTextsOptions): Promise<KeptTexts> {
  const { folder, dtype, base, pipeline, model, lists, encode, unload, onNote } = options;
  const { length: tokens, width } = model.text;
  const encoder = await encoderIdentity(nodeFolder(pipeline), { also: `last_hidden_state${base === "f32" ? "" : `, weights in ${base}`}` });
  const store = await openEmbeddingCache(folder, { encoder, shape: [tokens, width], dtype });
  const total = lists.reduce((sum, { length }) => sum + length, 1);
  const bytes = total * tokens * width * (dtype === "f16" ? 2 : 4);
  onNote?.(`${folder}: keeps ${total} encoded texts, up to ${shownBytes(bytes)}; ${store.count} are there.`);
  return {
    store,
    total,
    async fill({ signal, onTexts }) {
      const whole = await fillEmbeddings(store, textsOf(lists), { encode, signal, ...(onTexts && { onPrompts: onTexts }) });
      if (whole) {
        store.flush();
        unload();
      }
      return whole;
    },
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

function* textsOf(lists: readonly TextList[]): Generator<string> {
  yield "";
  for (const list of lists) for (let i = 0; i < list.length; i++) yield list.at(i)!;
}
