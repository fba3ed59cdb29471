import { mergesOf } from "./clip-json.ts";

/** The characters that stand for the 256 bytes, in CLIP's order: printable Latin-1 characters for themselves, then others for the rest. */
function byteSymbols(): string[] {
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const codes = [...Array(256).keys()].filter(printable);
  return [...codes, ...Array.from({ length: 256 - codes.length }, (_, i) => 256 + i)].map((code) => String.fromCodePoint(code));
}

/**
 * vocab.json of a CLIP tokenizer, which follows from its merges.txt: the bytes, the bytes at the end of a word, the result of each merge, and two
 * special tokens (`SimpleTokenizer` in OpenAI's `clip/simple_tokenizer.py`). 49,408 tokens for CLIP's own merges.
 */
export function clipVocabulary(merges: string): Record<string, number> {
  const bytes = byteSymbols();
  const pairs = mergesOf(merges, "tokenizer").map(([a, b]) => a + b);
  const tokens = [...bytes, ...bytes.map((symbol) => `${symbol}</w>`), ...pairs, "<|startoftext|>", "<|endoftext|>"];
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}
