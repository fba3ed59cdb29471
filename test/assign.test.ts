import {
  createCpu,
  grad,
  keep,
  mean,
  mul,
  normal,
  realize,
  scope,
  square,
  sum,
  type Tensor,
  tensor,
  valueAndGradients,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";

const values = async (t: Tensor) => Array.from(await t.data());

describe("assign", () => {
  test("makes a handle stand for another value", async () => {
    const x = tensor([1, 2]);
    x.assign(tensor([3, 4]));
    expect(await values(x)).toEqual([3, 4]);
  });

  test.each([
    ["shape", tensor([1, 2, 3]), "assign: the tensor is f32 [2] on cpu and the value f32 [3] on cpu. Both must be alike."],
    ["type", tensor([1, 2], { dtype: "f64" }), "assign: the tensor is f32 [2] on cpu and the value f64 [2] on cpu. Both must be alike."],
    [
      "device",
      tensor([1, 2], { device: createCpu() }),
      "assign: the tensor is f32 [2] on cpu and the value f32 [2] on cpu. Both must be alike.",
    ],
  ])("refuses a value of another %s and keeps its own", async (_, value, message) => {
    const x = tensor([1, 2]);
    expect(() => x.assign(value)).toThrow(message);
    expect(await values(x)).toEqual([1, 2]);
  });

  test("refuses a disposed handle and a disposed value, and keeps its own", async () => {
    const [x, gone] = [tensor([1, 2]), tensor([3, 4])];
    gone.dispose();
    expect(() => x.assign(gone)).toThrow("is used after it was disposed");
    expect(() => gone.assign(x)).toThrow("is used after it was disposed");
    expect(await values(x)).toEqual([1, 2]);
  });

  test("leaves what was recorded before with the old value", async () => {
    const x = tensor([1, 2]);
    const before = mul(x, 10);
    x.assign(tensor([3, 4]));
    expect(await values(before)).toEqual([10, 20]);
    expect(await values(mul(x, 10))).toEqual([30, 40]);
  });

  test("takes a value made of the handle itself", async () => {
    const x = tensor([1, 2]);
    for (let i = 0; i < 3; i++) x.assign(mul(x, 2));
    expect(await values(x)).toEqual([8, 16]);
  });

  test("leaves a gradient with the value it was recorded with", async () => {
    const x = tensor([1, 2]);
    const g = grad((v: Tensor) => {
      const y = sum(square(v));
      x.assign(tensor([100, 100]));
      return y;
    })(x);
    expect(await values(g)).toEqual([2, 4]);
  });

  test("leaves the handle in its scope: the value outlives the scope it was made in, and ends with the handle's", async () => {
    const device = createCpu();
    const x = await scope(async (s) => {
      const inside = s.run(() => tensor([1, 2], { device }));
      scope(() => inside.assign(tensor([5, 6], { device })));
      expect(await values(inside)).toEqual([5, 6]);
      return keep(inside);
    });
    expect(await values(x)).toEqual([5, 6]);
    x.dispose();
    expect(device.memory().tensors).toBe(0);
  });

  test("frees the old value at once, and leaves the given handle its own", async () => {
    const device = createCpu();
    const [x, y] = [tensor([1, 2], { device }), tensor([3, 4], { device })];
    x.assign(y);
    expect(device.memory().tensors).toBe(1);
    y.dispose();
    expect(await values(x)).toEqual([3, 4]);
    x.assign(x);
    expect(await values(x)).toEqual([3, 4]);
    x.dispose();
    expect(device.memory().tensors).toBe(0);
  });
});

describe("valueAndGradients", () => {
  const [w, b] = [tensor([[1, 2]], { dtype: "f64" }), tensor([0.5], { dtype: "f64" })];
  const x = tensor([[3], [4]], { dtype: "f64" });

  test("gives what grad gives, for weights that the loss reaches by itself", async () => {
    const loss = (p: { w: Tensor; b: Tensor }) => mean(square(p.w.matmul(x).add(p.b)));
    const [value, found] = valueAndGradients({ w, b }, () => loss({ w, b }));
    const wanted = grad(loss)({ w, b });
    expect(await value.item()).toBe(11.5 ** 2);
    expect(await values(found.w)).toEqual(await values(wanted.w));
    expect(await values(found.b)).toEqual(await values(wanted.b));
  });

  test("is zero for a weight that the loss does not read", async () => {
    const [, [unused]] = valueAndGradients([tensor([1, 2])], () => sum(w));
    expect(await values(unused)).toEqual([0, 0]);
  });

  test("sees the value that a parameter was assigned", async () => {
    const p = tensor([1, 2]);
    p.assign(tensor([3, 4]));
    const [value, [g]] = valueAndGradients([p], () => sum(square(p)));
    expect([await value.item(), await values(g)]).toEqual([25, [6, 8]]);
  });

  test("refuses parameters that are no floats, and losses that are no numbers", () => {
    expect(() => valueAndGradients([tensor([1], { dtype: "i32" })], () => sum(w))).toThrow("grad: a parameter is i32 [1]");
    expect(() => valueAndGradients([w], () => w)).toThrow("grad: the function must return one number, got [1, 2]");
    expect(() => valueAndGradients([w], () => 3 as unknown as Tensor)).toThrow("grad: the function must return a tensor, got number");
  });

  test("leaves nothing behind", async () => {
    const device = createCpu();
    const p = normal([8], { key: 1, device });
    await realize([p]);
    const before = device.memory().tensors;
    await scope(async () => realize(valueAndGradients([p], () => sum(square(mul(p, p)))).flat()));
    expect(device.memory().tensors).toBe(before);
  });
});
