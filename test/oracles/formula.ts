import { type Shape, sizeOf } from "@snoopi/core";

// Weights and pictures that no file holds, as scripts/golden/formula.py makes them: a hash of a tensor's name and an element's place.

/** By the suffix of a parameter's name: the first that fits. `fanIn` divides the spread by √(inputs of an output). */
export interface FormulaRule {
  readonly suffix: string;
  readonly center: number;
  readonly spread: number;
  readonly fanIn?: boolean;
}

function fnv1a(text: string): number {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0;
  return seed;
}

/** 32 bits for each place: murmur3's finaliser over a Weyl sequence that starts at the name's FNV-1a. */
function formulaHashes(name: string, count: number): Uint32Array {
  const seed = fnv1a(name);
  const out = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(i, 0x9e3779b1) + seed) | 0;
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    out[i] = h ^ (h >>> 16);
  }
  return out;
}

/** `center + spread · u` with u uniform in [−1, 1), rounded to f32 once. */
export function formulaParameter(name: string, shape: Shape, rules: readonly FormulaRule[]): Float32Array {
  const rule = rules.find(({ suffix }) => name.endsWith(suffix));
  if (!rule) throw new Error(`no rule fits "${name}"`);
  const count = sizeOf(shape);
  const spread = rule.fanIn ? rule.spread / Math.sqrt(count / shape[0]) : rule.spread;
  const hashes = formulaHashes(name, count);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = rule.center + spread * ((hashes[i] >>> 8) / 2 ** 23 - 1);
  return out;
}

/** Bytes `[3, H, W]` as numbers: a shape with edges, on which noise lies. */
export function formulaPicture(name: string, height: number, width: number): Float32Array {
  const noise = formulaHashes(name, height * width * 3);
  return Float32Array.from({ length: 3 * height * width }, (_, at) => {
    const c = Math.floor(at / (height * width));
    const [y, x] = [Math.floor(at / width) % height, at % width];
    const flat = ((Math.floor((x * 5) / width) + Math.floor((y * 3) / height) + c) % 4) * 64;
    return flat + (noise[(y * width + x) * 3 + c] >>> 26);
  });
}
