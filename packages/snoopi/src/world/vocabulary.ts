import { captions } from "./caption.ts";

/** The contents of a tokenizer folder in CLIP's format, as `clipTokenizer` takes them. */
export interface Vocabulary {
  /** vocab.json: token → id. */
  readonly vocab: Readonly<Record<string, number>>;
  /** merges.txt */
  readonly merges: string;
  /** tokenizer_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** special_tokens_map.json */
  readonly specialTokens: Readonly<Record<string, string>>;
}

const start = "<|startoftext|>";
const end = "<|endoftext|>";

/** Ids of a prompt: start, at most 14 tokens of text, end. The longest caption has 9. */
export const promptLength = 16;

/**
 * The tiny world's vocabulary, in CLIP's order: the 256 bytes, the same at a word's end, merges, start, end. Byte pairs are merged until
 * every word of a caption is one token; any other text is still made of bytes.
 */
export function worldVocabulary(): Vocabulary {
  const words = [...new Set(captions.flatMap((caption) => caption.split(" ")))].sort();
  const merges = learnMerges(words);
  const bytes = byteSymbols();
  const tokens = [...bytes, ...bytes.map((symbol) => `${symbol}</w>`), ...merges.map(([left, right]) => left + right), start, end];
  const special = { bos_token: start, eos_token: end, unk_token: end, pad_token: end };
  return {
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: ["#version: 0.2", ...merges.map((pair) => pair.join(" ")), ""].join("\n"),
    config: { tokenizer_class: "CLIPTokenizer", model_max_length: promptLength, ...special },
    specialTokens: special,
  };
}

/** The character that stands for each byte: printable ones for themselves and first, as in CLIP and GPT-2; the others from U+0100 on. */
function byteSymbols(): string[] {
  const all = Array.from({ length: 256 }, (_, byte) => byte);
  const printable = all.filter((byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173));
  return [...printable, ...Array.from({ length: 256 - printable.length }, (_, i) => 256 + i)].map((code) => String.fromCharCode(code));
}

type Pair = readonly [string, string];

/** Byte-pair encoding (Sennrich et al. 2016): merges the most frequent pair, the alphabetically first of equals, until words are whole. */
function learnMerges(words: readonly string[]): Pair[] {
  let pieces = words.map((word) => [...word.slice(0, -1), `${word.slice(-1)}</w>`]);
  const merges: Pair[] = [];
  for (let pair = commonest(pieces); pair; pair = commonest(pieces)) {
    const [left, right] = pair;
    merges.push(pair);
    pieces = pieces.map((word) => join(word, left, right));
  }
  return merges;
}

function commonest(pieces: readonly (readonly string[])[]): Pair | undefined {
  const counts = new Map<string, number>();
  for (const word of pieces) for (let i = 1; i < word.length; i++) add(counts, `${word[i - 1]} ${word[i]}`);
  const [best] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  if (best === undefined) return undefined;
  const [left, right] = best[0].split(" ");
  return [left, right];
}

const add = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

function join(word: readonly string[], left: string, right: string): string[] {
  const out: string[] = [];
  for (let i = 0; i < word.length; i++) {
    const found = word[i] === left && word[i + 1] === right;
    out.push(found ? left + right : word[i]);
    if (found) i++;
  }
  return out;
}
