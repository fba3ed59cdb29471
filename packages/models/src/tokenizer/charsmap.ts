import { SnoopiError } from "@snoopi/core";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The normalization rules inside a SentencePiece model, compiled: a trie over UTF-8, and the texts that replace what it finds. */
interface Charsmap {
  /** Nodes of a double array, as Darts lays them out. */
  readonly nodes: Uint32Array;
  /** The replacements, each ended by a zero byte. */
  readonly texts: Uint8Array;
}

/**
 * The normalization that a `precompiled_charsmap` describes, for T5 `nmt_nfkc`: NFKC, control characters removed, every kind of white space
 * made a space. Equals the Rust tokenizers' and so transformers' `Precompiled`, which differs from sentencepiece where a mark follows a
 * character that has a rule: a grapheme cluster of up to five bytes is looked up as a whole, the *shortest* rule at its start replaces all
 * of it, and what follows is dropped. `name` is shown in errors. Without bytes the text stays as it is.
 */
export function charsmapNormalizer(bytes: Uint8Array, name: string): (text: string) => string {
  if (bytes.length === 0) return (text) => text;
  const map = parseCharsmap(bytes, name);
  const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return (text) => {
    let out = "";
    for (const { segment } of graphemes.segment(text)) out += replaceCluster(map, segment);
    return out;
  };
}

const clusterBytes = 6;

function replaceCluster(map: Charsmap, cluster: string): string {
  const bytes = encoder.encode(cluster);
  const whole = bytes.length < clusterBytes ? shortestRule(map, bytes) : undefined;
  if (whole !== undefined) return whole;
  let out = "";
  for (const character of cluster) out += shortestRule(map, encoder.encode(character)) ?? character;
  return out;
}

/** Walks the trie as `Darts::DoubleArray::commonPrefixSearch` until the first node that ends a rule. */
function shortestRule({ nodes, texts }: Charsmap, key: Uint8Array): string | undefined {
  // A damaged file may point past the end; a node of zero matches no byte.
  const node = (at: number) => nodes[at] ?? 0;
  const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let at = offset(node(0));
  for (const byte of key) {
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = node(at);
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
    at ^= offset(unit);
    if ((unit >>> 8) & 1) {
      const start = node(at) & 0x7fffffff;
      const end = texts.indexOf(0, start);
      return decoder.decode(texts.subarray(start, end < 0 ? texts.length : end));
    }
  }
  return undefined;
}

function parseCharsmap(bytes: Uint8Array, name: string): Charsmap {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length < 4 ? 0 : view.getUint32(0, true);
  if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) {
    throw new SnoopiError(`${name}: the charsmap has ${bytes.length} bytes and a trie of ${size}. Download the file again.`);
  }
  const nodes = Uint32Array.from({ length: size / 4 }, (_, index) => view.getUint32(4 + 4 * index, true));
  return { nodes, texts: bytes.subarray(4 + size) };
}
