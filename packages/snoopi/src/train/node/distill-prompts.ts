import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import type { Tensor } from "@snoopi/core";
import type { OpenModel } from "../../pipeline/open.ts";
import { promptList } from "../../prompts/node/prompt-list.ts";
import { promptFiles } from "../../prompts/node/read-prompts.ts";
import { describeSkipped } from "../../prompts/prompt-summary.ts";
import { captions } from "../../world/caption.ts";
import type { DistillConfig } from "../distill-config.ts";
import type { PromptsFrom } from "../prompts-from.ts";
import { type ListBankOptions, listBank, type PromptBank, storedBank, type TextList } from "../student/prompt-bank.ts";
import { type KeptTexts, openKeptTexts } from "./kept-texts.ts";

/** Prompts and negatives of a distillation. */
export interface DistillPrompts extends Disposable {
  readonly bank: PromptBank;
  readonly negatives?: PromptBank;
  /** Where encoded prompts are kept: to be filled before the banks are used. */
  readonly kept?: KeptTexts;
  /** Identifies the contents of the files. */
  readonly digest?: string;
}

export interface DistillPromptsOptions extends ListBankOptions {
  readonly config: DistillConfig;
  /** What files are relative to. */
  readonly beside: string;
  /** The student's folder. */
  readonly out: string;
  readonly pipeline: string;
  readonly model: OpenModel;
  readonly onNote?: (line: string) => void;
  readonly encodeTexts: (texts: readonly string[]) => Tensor;
  /** The tiny world's captions. */
  readonly world: () => Promise<PromptBank>;
  /** Frees the text encoder. */
  readonly unload: () => void;
}

/** @throws SnoopiError for files that cannot be read or have no prompt, and for a cache of another encoder. */
export async function openDistillPrompts(options: DistillPromptsOptions): Promise<DistillPrompts> {
  const { config, world, embed, tokenize, encode } = options;
  const { keep, folder } = config.embeddings;
  const owned: Disposable[] = [];
  const hash = createHash("sha256");
  /** The prompts of files. Reports lines that are skipped. */
  const fileTexts = async ({ files, column }: Exclude<PromptsFrom, "world">): Promise<TextList> => {
    const paths = files.map((file) => resolve(options.beside, file));
    const list = await promptList(promptFiles(paths, column === null ? {} : { column }));
    owned.push(list);
    hash.update(list.digest);
    const skipped = describeSkipped(list.summary);
    if (skipped) options.onNote?.(skipped);
    return list;
  };
  const dispose = () => {
    for (const one of owned) one[Symbol.dispose]();
  };
  try {
    const prompts = config.prompts === "world" ? undefined : await fileTexts(config.prompts);
    const away = config.negatives === "world" ? worldNegatives : (config.negatives ?? undefined);
    const negatives = away && ("files" in away ? await fileTexts(away) : away);
    const lists = [prompts, negatives].filter((list) => list !== undefined);
    const kept =
      keep === "none"
        ? undefined
        : await openKeptTexts({
            ...options,
            folder: folder === null ? join(options.out, "training", "embeddings") : resolve(options.beside, folder),
            dtype: keep,
            base: config.base,
            lists,
            encode: options.encodeTexts,
          });
    if (kept) owned.push(kept);
    const bankOf = (list: TextList, judged: Pick<ListBankOptions, "embed">) =>
      kept ? storedBank(list, kept.store, judged) : listBank(list, { tokenize, encode, ...judged });
    return {
      bank: prompts ? bankOf(prompts, embed ? { embed } : {}) : await world(),
      ...(negatives && { negatives: bankOf(negatives, {}) }),
      ...(kept && { kept }),
      ...(owned.length > 0 && { digest: hash.digest("hex").slice(0, 16) }),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** A world's negative names one thing that may be in a picture. */
const worldNegatives = captions.filter((caption) => /^an? \S+ shape$|^an? (?!shape)\S+$|^a shape on a/.test(caption));
