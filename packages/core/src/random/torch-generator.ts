import { SnoopiError } from "../error.ts";
import { normalBlock } from "./box-muller-f32.ts";
import { mt19937 } from "./mt19937.ts";
import { seedBits } from "./seed.ts";

/** A stream of random numbers equal to PyTorch's CPU generator. Every call advances it. */
export interface TorchGenerator {
  /** `torch.randn(length, generator=g)` in f32. */
  randn(length: number): Float32Array;
  /** `torch.rand(length, generator=g)` in f32: uniform in [0, 1), multiples of 2⁻²⁴. */
  rand(length: number): Float32Array;
  /** The next 32 bits of the engine. */
  uint32(): number;
}

/** Below this many elements PyTorch draws one by one in f64; from it on, in blocks of this many in f32. */
const block = 16;

/**
 * PyTorch's CPU generator after `manual_seed(seed)`: the same bits as `torch.randn` and `torch.rand` for any sequence of sizes, on
 * machines where PyTorch runs its AVX2 or AVX-512 kernels (without them PyTorch itself differs in last bits). Like PyTorch's, the
 * numbers depend on the size of each draw, not only on how many came before; only the seed's low 32 bits count. A draw of shape
 * [B, …] is `randn(B·…)`; diffusers' list of generators is one generator per image.
 *
 * @param seed an integer from −2⁶³ to 2⁶⁴ − 1; beyond ±(2⁵³ − 1) as a bigint.
 * @throws SnoopiError for any other seed, and for a length that is no whole number.
 */
export function torchGenerator(seed: number | bigint): TorchGenerator {
  const uint32 = mt19937(Number(seedBits(seed) & 0xffffffffn));
  const uniform = () => (uint32() & 0xffffff) * 2 ** -24;
  const uniform53 = () => {
    const high = uint32() & 0x1fffff;
    return (high * 2 ** 32 + uint32()) * 2 ** -53;
  };

  let spare: number | undefined;
  const normal = () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const angle = 2 * Math.PI * uniform53();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53()));
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };

  const fill = (length: number, draw: () => number) => {
    if (!Number.isInteger(length) || length < 0) {
      throw new SnoopiError(`torchGenerator: cannot draw ${length} numbers. Pass a whole number, 0 or more.`);
    }
    const out = new Float32Array(length);
    for (let i = 0; i < length; i++) out[i] = draw();
    return out;
  };

  return {
    uint32,
    rand: (length) => fill(length, uniform),
    randn: (length) => {
      if (length < block) return fill(length, normal);
      const out = fill(length, uniform);
      for (let i = 0; i + block <= length; i += block) normalBlock(out, i);
      if (length % block !== 0) {
        // PyTorch redraws the last whole block, over values it has already given.
        const start = length - block;
        for (let i = start; i < length; i++) out[i] = uniform();
        normalBlock(out, start);
      }
      return out;
    },
  };
}
