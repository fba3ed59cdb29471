import type { Scalar } from "@snoopi/core";

/** Prints formulas as WGSL over one register type, one or four elements at a time. */
export function wgslOver(type: "f32" | "i32" | "u32", width: 1 | 4): Scalar<string> {
  const t = width === 1 ? type : `vec4<${type}>`;
  const whole = type !== "f32";
  return {
    num: (v) => `${t}(${literal(type, v)})`,
    neg: (a) => (type === "u32" ? `(${t}(0u) - ${a})` : `(-${a})`),
    add: (a, b) => `(${a} + ${b})`,
    sub: (a, b) => `(${a} - ${b})`,
    mul: (a, b) => `(${a} * ${b})`,
    div: (a, b) => `(${a} / ${b})`,
    pow: (a, b) => `power${width}(${a}, ${b})`,
    exp: (a) => `exp(${a})`,
    log: (a) => `log(${a})`,
    sqrt: (a) => `sqrt(${a})`,
    sin: (a) => `sin(${a})`,
    cos: (a) => `cos(${a})`,
    tanh: (a) => `tanh${width}(${a})`,
    erf: (a) => `erf${width}(${a})`,
    abs: (a) => `abs(${a})`,
    floor: (a) => (whole ? a : `floor(${a})`),
    less: (a, b, yes, no) => `select(${no}, ${yes}, ${a} < ${b})`,
    equal: (a, b, yes, no) => `select(${no}, ${yes}, ${a} == ${b})`,
  };
}

function literal(type: "f32" | "i32" | "u32", v: number): string {
  if (type === "u32") return `${v >>> 0}u`;
  if (type === "i32") return `${Math.trunc(v)}i`;
  const text = `${Math.fround(v)}`;
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}

/**
 * Functions WGSL lacks. NaN bypasses clamps, which may turn it into a bound, and is detected by `==`: `x != x` compiles to a comparison
 * that is false for NaN. `erf` is the odd rational minimax approximation x·p(x²)/q(x²) on [−4, 4], good to a few f32 ulps; `power` defines
 * negative bases with whole exponents, which WGSL leaves undefined, and cases in which drivers differ: zero to negative exponents, 1 to
 * infinite ones.
 */
export const prelude = /* wgsl */ `
fn erf4(v: vec4f) -> vec4f {
  let x = clamp(v, vec4f(-4.0), vec4f(4.0));
  let z = x * x;
  var p = fma(z, vec4f(-2.72614225801306e-10), vec4f(2.77068142495902e-08));
  p = fma(z, p, vec4f(-2.10102402082508e-06));
  p = fma(z, p, vec4f(-5.69250639462346e-05));
  p = fma(z, p, vec4f(-7.34990630326855e-04));
  p = fma(z, p, vec4f(-2.95459980854025e-03));
  p = fma(z, p, vec4f(-1.60960333262415e-02));
  var q = fma(z, vec4f(-1.45660718464996e-05), vec4f(-2.13374055278905e-04));
  q = fma(z, q, vec4f(-1.68282697438203e-03));
  q = fma(z, q, vec4f(-7.37332916720468e-03));
  q = fma(z, q, vec4f(-1.42647390514189e-02));
  return select(v, x * p / q, v == v);
}
fn erf1(x: f32) -> f32 { return erf4(vec4f(x)).x; }
// Drivers compute tanh through exp(2x), which overflows; beyond 15 the f32 result is ±1.
fn tanh4(v: vec4f) -> vec4f { return select(v, tanh(clamp(v, vec4f(-15.0), vec4f(15.0))), v == v); }
fn tanh1(x: f32) -> f32 { return select(x, tanh(clamp(x, -15.0, 15.0)), x == x); }
fn power1(a: f32, b: f32) -> f32 {
  if (b == 0.0 || a == 1.0) { return 1.0; }
  if (a > 0.0) { return pow(a, b); }
  let whole = floor(b) == b;
  let odd = whole && floor(b * 0.5) * 2.0 != b;
  if (a == 0.0 && b == b) {
    let size = select(0.0, 1.0 / abs(a), b < 0.0);
    return select(size, -size, odd && (bitcast<u32>(a) >> 31u) == 1u);
  }
  let size = select(pow(-a, b), 1.0, a == -1.0);
  let zero = b - b;
  return select(zero / zero, select(size, -size, odd), whole);
}
fn power4(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(power1(a.x, b.x), power1(a.y, b.y), power1(a.z, b.z), power1(a.w, b.w));
}

// Floats as integers: those out of range as the nearest that there is, which WGSL's own conversions promise of f32's numbers only, and NaN as 0.
fn i32of4(v: vec4f) -> vec4i { return select(vec4i(0), select(vec4i(v), vec4i(2147483647), v >= vec4f(2147483648.0)), v == v); }
fn i32of1(v: f32) -> i32 { return select(0i, select(i32(v), 2147483647i, v >= 2147483648.0), v == v); }
fn u32of4(v: vec4f) -> vec4u { return select(vec4u(0u), select(vec4u(v), vec4u(4294967295u), v >= vec4f(4294967296.0)), v == v); }
fn u32of1(v: f32) -> u32 { return select(0u, select(u32(v), 4294967295u, v >= 4294967296.0), v == v); }

// The nearest f16, ties to even, as f32 and as bits. By integers: what WGSL's own conversions do with ties, subnormals and values out
// of range is the driver's choice.
fn rounded13(bits: vec4u) -> vec4u { return bits + vec4u(0xfffu) + ((bits >> vec4u(13u)) & vec4u(1u)); }
fn half4(v: vec4f) -> vec4f {
  let normal = bitcast<vec4f>(rounded13(bitcast<vec4u>(v)) & vec4u(0xffffe000u));
  let small = round(v * 16777216.0) * 5.9604644775390625e-8;
  let kept = select(normal, small, abs(v) < vec4f(6.103515625e-5));
  return select(v, select(kept, v * 3e38, abs(v) >= vec4f(65520.0)), v == v);
}
fn half1(v: f32) -> f32 { return half4(vec4f(v)).x; }
fn halves(v: vec4f) -> vec4u {
  let normal = (rounded13(bitcast<vec4u>(abs(v))) >> vec4u(13u)) - vec4u(112u << 10u);
  let kept = select(normal, vec4u(round(abs(v) * 16777216.0)), abs(v) < vec4f(6.103515625e-5));
  let ranged = select(kept, vec4u(0x7c00u), abs(v) >= vec4f(65520.0));
  let sign = (bitcast<vec4u>(v) >> vec4u(16u)) & vec4u(0x8000u);
  return sign | select(vec4u(0x7e00u), ranged, v == v);
}
fn packed4(v: vec4f) -> vec2u {
  let h = halves(v);
  return vec2u(h.x | (h.y << 16u), h.z | (h.w << 16u));
}
`;
