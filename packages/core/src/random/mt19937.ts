const words = 624;
const ahead = 397;

/**
 * The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), seeded by `init_genrand`: a function that gives the next 32 bits.
 * `seed` is one u32 word.
 */
export function mt19937(seed: number): () => number {
  const state = new Uint32Array(words);
  state[0] = seed;
  for (let i = 1; i < words; i++) {
    const last = state[i - 1];
    state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
  }
  let next = words;
  return () => {
    if (next === words) {
      twist(state);
      next = 0;
    }
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < words; i++) {
    const y = (state[i] & 0x80000000) | (state[(i + 1) % words] & 0x7fffffff);
    state[i] = state[(i + ahead) % words] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
