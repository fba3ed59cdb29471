import {
  capture,
  checkpoint,
  cpu,
  customVjp,
  type Device,
  estimate,
  grad,
  mean,
  mul,
  normal,
  OpError,
  realize,
  sum,
  type Tensor,
  tensor,
  valueAndGradients,
} from "@snoopi/core";
import { checkGrads } from "@snoopi/core/testing";
import { type WgslOp, webgpuPlan, wgslOp } from "@snoopi/kernels";
import { webgpu } from "@snoopi/kernels/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { gpu } from "./gpu.ts";

const values = async (t: Tensor) => [...(await t.data())];

/** `x · sigmoid(β x)`, and its derivative, with one thread an element. */
const swish = wgslOp<{ beta: number }>({
  name: "swish",
  inputs: ["x"],
  infer: ([x]) => x,
  params: ["n", ["beta", "f32"]],
  launch: ([x], { beta }) => ({ workgroups: Math.ceil(x.shape.reduce((a, b) => a * b, 1) / 64), params: { n: elements(x.shape), beta } }),
  wgsl: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.n) { return; }
  out[i] = T(x_at(i) / (1.0 + exp(-P.beta * x_at(i))));
}`,
  reference([x], { beta }, out) {
    for (let i = 0; i < out.data.length; i++) out.data[i] = x.data[i] / (1 + Math.exp(-beta * x.data[i]));
  },
  cost: (_, __, out) => 4 * elements(out.shape),
});
const swishSlope = wgslOp<{ beta: number }>({
  name: "swishSlope",
  inputs: ["g", "x"],
  infer: ([, x]) => x,
  params: ["n", ["beta", "f32"]],
  launch: ([, x], { beta }) => ({ workgroups: [Math.ceil(elements(x.shape) / 64), 1, 1], params: { n: elements(x.shape), beta } }),
  wgsl: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= P.n) { return; }
  let s = 1.0 / (1.0 + exp(-P.beta * x_at(i)));
  out[i] = T(g_at(i) * (s + P.beta * x_at(i) * s * (1.0 - s)));
}`,
  reference([g, x], { beta }, out) {
    for (let i = 0; i < out.data.length; i++) {
      const s = 1 / (1 + Math.exp(-beta * x.data[i]));
      out.data[i] = g.data[i] * (s + beta * x.data[i] * s * (1 - s));
    }
  },
});
const smooth = customVjp({
  name: "smooth",
  forward: (x) => swish(x, { beta: 1.5 }),
  backward: (g, { inputs: [x] }) => [swishSlope(g, x, { beta: 1.5 })],
});

/** Rows divided by their lengths, which are a further result that the way back reads. */
const unitRows = wgslOp({
  name: "unitRows",
  inputs: ["x"],
  infer: ([x]) => x,
  extras: { lengths: ([x]) => ({ shape: [x.shape[0]], dtype: x.dtype === "f64" ? "f64" : "f32" }) },
  params: ["columns"],
  launch: ([x]) => ({ workgroups: x.shape[0], params: { columns: x.shape[1] } }),
  wgsl: /* wgsl */ `
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u) {
  let start = group.x * P.columns;
  var total = 0.0;
  for (var i = 0u; i < P.columns; i++) { total += x_at(start + i) * x_at(start + i); }
  lengths[group.x] = sqrt(total);
  for (var i = 0u; i < P.columns; i++) { out[start + i] = x_at(start + i) / sqrt(total); }
}`,
  reference([x], _, out, [lengths]) {
    const [rows, columns] = x.shape;
    for (let r = 0; r < rows; r++) {
      const row = x.data.subarray(r * columns, (r + 1) * columns);
      lengths.data[r] = Math.hypot(...row);
      for (let c = 0; c < columns; c++) out.data[r * columns + c] = row[c] / lengths.data[r];
    }
  },
});
const unit = customVjp({
  name: "unit",
  forward: (x) => unitRows(x) as [Tensor, Tensor],
  // dx = (g − y ⟨y, g⟩) / |x|
  backward: (g, { output: y, saved: [lengths] }) => [
    g.sub(y.mul(sum(mul(y, g), { axis: 1, keepdims: true }))).div(lengths.reshape([-1, 1])),
  ],
});

function elements(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** A few units in the last place of f32: exp, division and one product, each good to about three (WGSL's own bounds). */
const near = (got: readonly number[], want: readonly number[], relative = 2e-6) => {
  expect(got.length).toBe(want.length);
  got.forEach((v, i) => void expect(Math.abs(v - want[i])).toBeLessThanOrEqual(relative * (1 + Math.abs(want[i]))));
};

describe.each(devices)("a kernel of the user's on $name", ({ device }) => {
  test("computes what its reference says, whatever the layout and the type of its input", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.nat(99), async (rows, columns, key) => {
        const make = (on: Device) => normal([rows, columns], { key, device: on });
        const views: readonly ((x: Tensor) => Tensor)[] = [(x) => x, (x) => x.transpose(), (x) => x.slice([[rows >> 1, rows]])];
        for (const view of views)
          near(await values(swish(view(make(device)), { beta: 2 })), await values(swish(view(make(cpu)), { beta: 2 })));
        // Both round to f16, to neighbours at most.
        const half = (on: Device) => values(swish(make(on).to("f16"), { beta: 2 }));
        near(await half(device), await half(cpu), 2 ** -10);
      }),
      { numRuns: 8 },
    );
  });

  test("has the gradient that its customVjp gives it", async () => {
    const slope = (on: Device) => values(grad((x: Tensor) => sum(smooth(x).mul(smooth(x))))(normal([7, 9], { key: 3, device: on })));
    near(await slope(device), await slope(cpu), 1e-5);
    const lengthwise = (on: Device) => {
      const [x, w] = [1, 2].map((key) => normal([5, 6], { key, device: on }));
      return values(grad((v: Tensor) => sum(unit(v).mul(w)))(x));
    };
    near(await lengthwise(device), await lengthwise(cpu), 1e-5);
  });

  test("runs inside a checkpoint, bit for bit the same", async () => {
    const x = normal([6, 5], { key: 4, device });
    const w = normal([6, 5], { key: 5, device });
    const layer = (v: Tensor) => unit(smooth(v.mul(w)));
    const gradients = (f: typeof layer) => valueAndGradients({ x, w }, () => sum(f(x).mul(w)))[1];
    const [plain, again] = [gradients(layer), gradients(checkpoint(layer))];
    expect(await values(again.x)).toEqual(await values(plain.x));
    expect(await values(again.w)).toEqual(await values(plain.w));
  });

  test("runs in a captured program, which knows when a number or the kernel changed", async () => {
    const x = normal([6, 5], { key: 6, device });
    const step = (v: Tensor) => valueAndGradients([v], () => mean(unit(smooth(v))))[1][0];
    using captured = capture(step);
    const expected = await values(step(x));
    for (let i = 0; i < 3; i++) expect(await values(captured(x))).toEqual(expected);

    let beta = 1;
    using stale = capture((v: Tensor) => swish(v, { beta }));
    await stale(x).data();
    beta = 2;
    expect(() => stale(x)).toThrow('capture: the function does something else than when it was captured: first "%0 = swish(');

    let by = "2.0";
    using changing = capture((v: Tensor) => wgslOp(scaledBy(by))(v));
    expect(await values(changing(tensor([1, 2], { device })))).toEqual([2, 4]);
    by = "3.0";
    expect(() => changing(tensor([1, 2], { device }))).toThrow("capture: the function does something else");
  });

  test("has no second derivative, and says so", () => {
    const x = normal([4, 4], { key: 7, device });
    const twice = (f: (v: Tensor) => Tensor) => () => grad((v: Tensor) => sum(grad((w: Tensor) => sum(f(w)))(v)))(x);
    expect(twice(smooth)).toThrow("swishSlope: is WGSL and has no gradient. Give it one with customVjp.");
    expect(twice((v) => unit(v).mul(v))).toThrow(
      "unit: the gradient of its gradient goes through what forward saved. Let backward read inputs and output only.",
    );
    expect(() => grad((v: Tensor) => sum(swish(v, { beta: 1 })))(x)).toThrow("swish: is WGSL and has no gradient.");
  });
});

const scaledBy = (factor: string, changes: Partial<WgslOp> = {}): WgslOp => ({
  name: "scaled",
  inputs: ["x"],
  infer: ([x]) => x,
  params: ["n"],
  launch: ([x]) => ({ workgroups: Math.ceil(elements(x.shape) / 64), params: { n: elements(x.shape) } }),
  wgsl: `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i < P.n) { out[i] = x_at(i) * ${factor}; }
}`,
  reference: ([x], _, out) => out.data.set(x.data.map((v) => v * Number(factor))),
  ...changes,
});

test("the gradient of a reference is its derivative, in f64", async () => {
  await checkGrads(smooth, [normal([3, 5], { key: 1 })]);
  await checkGrads(unit, [normal([3, 5], { key: 2 })]);
  const wrong = customVjp({
    name: "wrong",
    forward: (x) => swish(x, { beta: 1 }),
    backward: (g, { inputs: [x] }) => [swishSlope(g, x, { beta: 2 })],
  });
  await expect(checkGrads(wrong, [normal([3], { key: 3 })])).rejects.toThrow("checkGrads: ");
});

test("a declaration that contradicts itself is refused where it is made", () => {
  const declared = (changes: Partial<WgslOp>) => () => wgslOp(scaledBy("2.0", changes));
  expect(declared({ inputs: [] })).toThrow("scaled: takes no tensor, so it runs nowhere. Name an input.");
  expect(declared({ inputs: ["x", "x"] })).toThrow('scaled: "x" stands for two things. Give each a name of its own.');
  expect(declared({ inputs: ["out"] })).toThrow('scaled: "out" is printed above every kernel. Choose another name.');
  expect(declared({ params: ["2n"] })).toThrow('scaled: "2n" is no name in WGSL. Use letters, digits and _.');
  expect(declared({ inputs: [..."abcdefgh"] })).toThrow(
    "scaled: reads and writes 9 arrays, and WebGPU allows 8. Pack some of them into one.",
  );
  expect(declared({ wgsl: "fn other() {}" })).toThrow(
    "scaled: the WGSL has no entry point. Write @compute @workgroup_size(64) fn main(…).",
  );
  expect(declared({ wgsl: "@group(0) @binding(9) var<storage> y: array<f32>; @compute @workgroup_size(1) fn main() {}" })).toThrow(
    "scaled: the WGSL declares bindings of its own.",
  );
});

test("a call that does not fit its declaration is refused where it is made", () => {
  const x = tensor([1, 2, 3]);
  const call = (changes: Partial<WgslOp>) => () => wgslOp(scaledBy("2.0", changes))(x);
  expect(() => (wgslOp(scaledBy("2.0")) as (...args: unknown[]) => unknown)(x, x, x)).toThrow(
    "scaled: takes 1 tensors (x) and then its attrs, got 3 arguments.",
  );
  expect(call({ infer: () => ({ shape: [-1], dtype: "f32" }) })).toThrow(
    "scaled: the shape of the result is [-1]. Give an array of sizes.",
  );
  expect(call({ infer: ([v]) => ({ shape: v.shape, dtype: "bf16" as "f16" }) })).toThrow(
    'scaled: the type of the result is "bf16". Use one of f32, f16, f64, i32, u32, bool.',
  );
  expect(call({ launch: () => ({ workgroups: 1 }) })).toThrow('scaled: is launched without its parameter "n".');
  expect(call({ launch: () => ({ workgroups: 1, params: { n: 3, m: 4 } }) })).toThrow(
    'scaled: is launched with "m", which is none of its params. Declare it.',
  );
  expect(call({ launch: () => ({ workgroups: 1, params: { n: 0.5 } }) })).toThrow('scaled: its parameter "n" is 0.5 and its type u32.');
  expect(call({ launch: () => ({ workgroups: 0, params: { n: 3 } }) })).toThrow(
    "scaled: is launched with no workgroups and has 3 elements to write.",
  );
  expect(call({ launch: () => ({ workgroups: [70000, 1, 1], params: { n: 3 } }) })).toThrow(
    "scaled: is launched with workgroups [70000, 1, 1]. Give a whole number, or three up to 65535.",
  );
  const { reference: _, ...bare } = scaledBy("2.0");
  expect(() => wgslOp(bare)(x)).toThrow(
    "scaled: runs on a GPU only, and the tensors are on the CPU. Give it a reference, or use a WebGPU device.",
  );
  expect(call({ infer: () => { throw new OpError("scaled", "is only for vectors of two"); } })).toThrow("scaled: is only for vectors of two."); // biome-ignore format: a table
});

test("backward returns a cotangent for each input", () => {
  const short = customVjp({ name: "short", forward: (a, b) => a.mul(b), backward: (g) => [g] });
  const x = tensor([1, 2]);
  expect(() => grad((v: Tensor) => sum(short(v, x)))(x)).toThrow("short: backward returned 1 cotangents for 2 inputs. Use null for none.");
});

describe.skipIf(!gpu.device)("on a GPU", () => {
  const device = gpu.device as NonNullable<typeof gpu.device>;
  const x = () => tensor([1, 2, 3], { device });

  test("what the compiler says rejects the read of what needs it, in the author's lines, and nothing else", async () => {
    const broken = wgslOp({ ...scaledBy("2.0"), wgsl: scaledBy("2.0").wgsl.replace("* 2.0", "* two") });
    const [bad, good] = [broken(x()), x().add(1)];
    const said = 'scaled: the WGSL does not compile. Line 5, column 37, "if (i < P.n) { out[i] = x_at(i) * two; }": unresolved value';
    await expect(bad.add(good).data()).rejects.toThrow(said);
    await expect(realize([bad])).rejects.toMatchObject({ name: "WgslError", line: 5 });
    expect(await values(good)).toEqual([2, 3, 4]);
    expect(await values(wgslOp(scaledBy("2.0"))(x()))).toEqual([2, 4, 6]);

    const fresh = wgslOp({ ...scaledBy("2.0"), wgsl: scaledBy("2.0").wgsl.replace("* 2.0", "* three") });
    using captured = capture((v: Tensor) => fresh(v));
    await expect(captured(x()).data()).rejects.toThrow("unresolved value");
    expect(() => captured(x())).toThrow("unresolved value");
    const redeclared = wgslOp({ ...scaledBy("2.0"), wgsl: `${scaledBy("2.0").wgsl}\nfn x_at(i: u32) -> f32 { return 0.0; }` });
    await expect(redeclared(x()).data()).rejects.toThrow("Line 7");
    const reserved = wgslOp({ ...scaledBy("2.0"), params: ["n", "of"], launch: () => ({ workgroups: 1, params: { n: 3, of: 1 } }) });
    await expect(reserved(x()).data()).rejects.toThrow(
      "scaled: the WGSL does not compile with what is printed above it (struct Params { n: u32, of: u32 }): 'of' is a reserved keyword. Rename",
    );
    expect(await values(good)).toEqual([2, 3, 4]);
  });

  test("as many workgroups as are asked for run, in three dimensions or folded over two", async () => {
    const n = 65_600 * 64;
    const counting = tensor(
      Float32Array.from({ length: n }, (_, i) => i % 1000),
      { device },
    );
    const doubled = await wgslOp(scaledBy("2.0"))(counting).data();
    expect(doubled.every((v, i) => v === 2 * (i % 1000))).toBe(true);

    const places = wgslOp({
      name: "places",
      inputs: ["x"],
      infer: ([v]) => ({ shape: v.shape, dtype: "u32" }),
      launch: ([v]) => ({ workgroups: [v.shape[2], v.shape[1], v.shape[0]] }),
      wgsl: `@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
        out[(id.z * grid.y + id.y) * grid.x + id.x] = 100u * id.z + 10u * id.y + id.x; }`,
    });
    expect(await values(places(normal([2, 2, 3], { key: 1, device })))).toEqual([0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112]);
  });

  test("results may be whole numbers, booleans and halves, and inputs read four at a time", async () => {
    const positive = wgslOp({
      ...scaledBy("2.0"),
      infer: ([v]) => ({ shape: v.shape, dtype: "bool" }),
      wgsl: scaledBy("2.0").wgsl.replace("x_at(i) * 2.0", "u32(x_at(i) > 1.0)"),
    });
    expect(await values(positive(x()))).toEqual([0, 1, 1]);
    const halved = wgslOp({ ...scaledBy("0.5"), infer: ([v]) => ({ shape: v.shape, dtype: "f16" }) });
    const half = halved(x());
    expect(half.dtype).toBe("f16");
    expect(await values(half)).toEqual([0.5, 1, 1.5]);
    const quads = wgslOp({
      name: "quads",
      inputs: [{ name: "x", width: 4 }],
      infer: ([v]) => ({ shape: [v.shape[0] / 4], dtype: "f32" }),
      launch: ([v]) => ({ workgroups: v.shape[0] / 4 }),
      wgsl: "@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) { out[id.x] = dot(x_at4(id.x), vec4f(1.0)); }",
    });
    expect(await values(quads(tensor([1, 2, 3, 4, 5, 6, 7, 8], { device })))).toEqual([10, 26]);
  });

  test("an estimate is what happens", async () => {
    const own = await webgpu();
    const program = (v: Tensor) => valueAndGradients([v], () => sum(unit(smooth(v)).mul(2)));
    const expected = await estimate(program, [{ shape: [50, 60] }], webgpuPlan(own.facts));
    const v = normal([50, 60], { key: 1, device: own });
    await realize([v]);
    const [loss, [gradient]] = program(v);
    await realize([loss, gradient]);
    expect(own.memory().peakBytes).toBe(expected.peakBytes);
    using captured = capture(program);
    captured(v);
    expect(captured.dispatches).toBe(expected.dispatches);
    // What a call costs by its own account, and the rest by one an element.
    const alone = await estimate((w: Tensor) => swish(w, { beta: 1 }), [{ shape: [10] }]);
    expect(alone.flops).toBe(40);
    own.destroy();
  });
});
