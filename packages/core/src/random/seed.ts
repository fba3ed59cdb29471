import { kindOf, SnoopiError } from "../error.ts";

/**
 * A seed as its 64 bits, negative ones in two's complement: what `torch.manual_seed` accepts, −2⁶³ … 2⁶⁴ − 1.
 *
 * @throws SnoopiError when it is no integer, out of range, or a number too large to be exact.
 */
export function seedBits(seed: number | bigint): bigint {
  if (typeof seed !== "number" && typeof seed !== "bigint") throw new SnoopiError(`seed: got ${kindOf(seed)}. Pass an integer.`);
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    const fix = Number.isInteger(seed) ? "Pass it as a bigint: a number this large is not exact." : "Pass an integer.";
    throw new SnoopiError(`seed: ${seed} is not an integer JavaScript holds exactly. ${fix}`);
  }
  const bits = BigInt(seed);
  if (bits < -(2n ** 63n) || bits >= 2n ** 64n) {
    throw new SnoopiError(`seed: ${bits} does not fit 64 bits. Pass one from -2^63 to 2^64 - 1.`);
  }
  return BigInt.asUintN(64, bits);
}
