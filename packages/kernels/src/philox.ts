/**
 * WGSL of @snoopi/core's counter-based random numbers, bit-identical to them: 32-bit integers throughout, because the last bits of WGSL's
 * float functions vary between drivers. Paste it before a kernel that calls
 *
 * - `randomBits(index, stream, key)`, `randomUniform(…)`, `randomNormal(…)`: one element; `index` is its 64-bit number as `vec2u(low,
 * high)`;
 * - `philox(counter, key)`, `uniformFrom(bits)`, `normalPair(first, second)`: the parts, for kernels that write four elements at once.
 */
export const philoxWgsl = /* wgsl */ `
fn mulhi(a: u32, b: u32) -> u32 {
  let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let cross = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (cross >> 16u);
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0; round < 10; round++) {
    c = vec4u(
      mulhi(0xcd9e8d57u, c.z) ^ c.y ^ k.x,
      0xcd9e8d57u * c.z,
      mulhi(0xd2511f53u, c.x) ^ c.w ^ k.y,
      0xd2511f53u * c.x,
    );
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

fn uniformFrom(bits: u32) -> f32 {
  return f32(bits >> 8u) * 0x1p-24f;
}

fn quarterSine(x: u32) -> u32 {
  let z = mulhi(x, x);
  var sum = 0x54050u - mulhi(z, 0x1ccau);
  sum = 0x996897u - mulhi(z, sum);
  sum = 0xa335e03u - mulhi(z, sum);
  sum = 0x52aef394u - mulhi(z, sum);
  sum = 0xc90fdaa2u - mulhi(z, sum);
  return mulhi(x, sum);
}

fn squareRoot(m: u32) -> u32 {
  var y = 0xb13b0eb9u - mulhi(m, 0x374669c4u);
  y = 0xdd81c763u - mulhi(m, y);
  y = 0x8add45eau - mulhi(m, y);
  y = (0x37562a95u - mulhi(m, y)) << 2u;
  y = mulhi(y, (0x30000000u - mulhi(m, mulhi(y, y))) << 2u) << 1u;
  y = mulhi(y, (0x30000000u - mulhi(m, mulhi(y, y))) << 2u) << 1u;
  return mulhi(m, y) << 2u;
}

fn scaledBy(magnitude: u32, exponent: i32, negative: bool) -> f32 {
  let cut = 8u - min(8u, countLeadingZeros(magnitude));
  let power = bitcast<f32>(u32(127 + exponent + i32(cut)) << 23u);
  let value = f32((magnitude + ((1u << cut) >> 1u)) >> cut) * power;
  return select(value, -value, negative);
}

fn normalPair(first: u32, second: u32) -> vec2f {
  let k = countLeadingZeros(first);
  var g = 0u - (((first << 1u) | 1u) << (k & 31u));
  var halves = 2u * k;
  if (g >= 0x95f61998u) {
    g = mulhi(g - 0x95f61998u, 0xb504f334u) << 1u;
    halves += 1u;
  }
  let up = select(0u, countLeadingZeros(g), halves == 0u);
  var sum = mulhi(g, 0x200a12u);
  sum = mulhi(g, sum) + 0x3f2048u;
  sum = mulhi(g, sum) + 0x795aaeu;
  sum = mulhi(g, sum) + 0x127526eu;
  sum = mulhi(g, sum) + 0x2e2bfb6u;
  sum = mulhi(g, sum) + 0x7b1bfd0u;
  sum = mulhi(g, sum) + 0x1715477eu;
  sum = mulhi(g, sum) + 0x5c551d95u;
  let log = mulhi(g << up, sum);
  var m = select((halves << 25u) + (log >> 5u), log, halves == 0u);
  var e = select(26u, 31u + up, halves == 0u);
  let lift = countLeadingZeros(m);
  m = m << lift;
  e += lift;
  m = m >> (e & 1u);
  e -= e & 1u;
  let radius = mulhi(squareRoot(m), 0x96b55f22u);
  let exponent = 16 - i32(e / 2u) - 30;

  let x = second << 2u;
  let quadrant = second >> 30u;
  let flip = select(0xffffffffu, 0u, (quadrant & 1u) == 0u);
  let sine = quarterSine(x ^ flip);
  let cosine = quarterSine(~x ^ flip);
  return vec2f(
    scaledBy(mulhi(radius, cosine), exponent, quadrant == 1u || quadrant == 2u),
    scaledBy(mulhi(radius, sine), exponent, quadrant >= 2u),
  );
}

fn randomBlock(index: vec2u, stream: u32, key: vec2u) -> vec4u {
  return philox(vec4u((index.x >> 2u) | (index.y << 30u), index.y >> 2u, stream, 0u), key);
}

fn randomBits(index: vec2u, stream: u32, key: vec2u) -> u32 {
  return randomBlock(index, stream, key)[index.x & 3u];
}

fn randomUniform(index: vec2u, stream: u32, key: vec2u) -> f32 {
  return uniformFrom(randomBits(index, stream, key));
}

fn randomNormal(index: vec2u, stream: u32, key: vec2u) -> f32 {
  let words = randomBlock(index, stream, key);
  let pair = select(words.xy, words.zw, (index.x & 2u) != 0u);
  return normalPair(pair.x, pair.y)[index.x & 1u];
}
`;
