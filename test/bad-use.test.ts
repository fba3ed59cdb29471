import { grad, gradientTape, keep, mul, normal, scope, sum, tensor, valueAndGradients, vjp } from "@snoopi/core";
import { adamw, loadState, requireFinite, saveState, sgd } from "@snoopi/core/optim";
import { describe, expect, test } from "vitest";

// What people get wrong, and what they are told: what is the matter, and what to do about it.

describe("a backward pass", () => {
  test("through a disposed tensor", () => {
    const x = tensor([1, 2]);
    const scratch = tensor([3, 4]);
    scratch.dispose();
    expect(() => grad((v: typeof x) => sum(mul(v, scratch)))(x)).toThrow(
      "a f32 tensor [2] is used after it was disposed. Return it from its scope, or dispose it later.",
    );
    const [, pull] = scope(() => vjp((v: typeof x) => v.mul(v), x));
    expect(() => pull(x)).toThrow("vjp: the pullback is called after it was disposed. Call it before the scope around vjp ends.");
    using tape = gradientTape(x);
    const loss = sum(x.mul(x));
    loss.dispose();
    expect(() => tape.backward(loss)).toThrow("a f32 tensor [] is used after it was disposed.");
  });

  test("from an operand that was disposed of after it was used is no mistake", async () => {
    const x = tensor([1, 2]);
    using tape = gradientTape(x);
    const other = tensor([3, 4]);
    const loss = sum(x.mul(other));
    other.dispose();
    expect([...(await tape.backward(loss).data())]).toEqual([3, 4]);
  });

  test.each(["grad", "valueAndGradients", "gradientTape"])("of %s from a loss that is not one number", (way) => {
    const x = tensor([1, 2]);
    const message = "the function must return one number, got [2]. Reduce it with sum or mean, or use vjp.";
    const run = {
      grad: () => grad((v: typeof x) => v.mul(2))(x),
      valueAndGradients: () => valueAndGradients(x, () => x.mul(2)),
      gradientTape: () => {
        using tape = gradientTape(x);
        return tape.backward(x.mul(2));
      },
    }[way];
    expect(run).toThrow(message);
  });
});

describe("an optimiser", () => {
  test("given a tensor that is not trained", () => {
    const [w, frozen] = [tensor([1, 2]), tensor([3, 4])];
    using optimizer = adamw({ w, frozen }, { lr: 0.1 });
    const [, gradients] = valueAndGradients({ w }, () => sum(w.mul(frozen)));
    expect(() => optimizer.step(gradients)).toThrow(
      'adamw: 1 gradients for 2 parameters: none for "frozen". Give the optimiser what is trained, and a gradient for each of it.',
    );
    const many = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, tensor([1, 2])]));
    using larger = adamw({ model: { w, ...many } }, { lr: 0.1 });
    expect(() => larger.step({ model: gradients })).toThrow(
      'adamw: 1 gradients for 5 parameters: none for "model.a", "model.b", "model.c" and 1 more.',
    );
    using other = sgd({ w }, { lr: 0.1 });
    expect(() => other.step({ w: gradients.w, frozen })).toThrow('sgd: 2 gradients for 1 parameters: one for "frozen".');
    expect(() => other.step([gradients.w, frozen])).toThrow("sgd: 2 gradients for 1 parameters. Pass one for each, in their order.");
  });

  test("given gradients in another order takes them by their paths", async () => {
    const params = { a: tensor([1, 1]), b: tensor([1, 1]) };
    using optimizer = sgd(params, { lr: 1 });
    optimizer.step({ b: tensor([3, 3]), a: tensor([2, 2]) });
    expect([...(await params.a.data()), ...(await params.b.data())]).toEqual([-1, -1, -2, -2]);
  });

  test("given whole numbers, or nothing", () => {
    expect(() => sgd({ ids: tensor([1, 2], { dtype: "i32" }) }, { lr: 1 })).toThrow(
      'sgd: parameter "ids" is i32 [2]. Only floats can be trained.',
    );
    expect(() => sgd({}, { lr: 1 })).toThrow("sgd: there are no parameters. Pass tensors in an array or a plain object.");
  });

  test("given a disposed parameter", () => {
    const w = keep(normal([2], { key: 1 }));
    w.dispose();
    expect(() => sgd({ w }, { lr: 1 })).toThrow("a f32 tensor [2] is used after it was disposed.");
  });
});

test("gradients that are not finite, with scaling off", async () => {
  const w = { scale: tensor([0, 1]), shift: tensor([1, 1]) };
  const [, gradients] = valueAndGradients(w, () => sum(w.shift.div(w.scale)));
  await expect(requireFinite(gradients)).rejects.toThrow(
    "gradients: 2 are not finite: scale, shift. Lower the learning rate, clip the gradients, or scale the loss where f16 is stored.",
  );
});

test("a state of another model", async () => {
  const w = { first: tensor([1, 2]) };
  const saved = await saveState({ w }, { step: 3, model: "small" });
  expect(() => loadState({ w }, saved, { model: "large" })).toThrow(
    'loadState: the state is of model "small" and this is "large". Load the state of this model.',
  );
  const wider = { first: tensor([1, 2, 3]), second: tensor([1]) };
  const wrong = () => loadState({ w: wider }, saved, { model: "small" });
  expect(wrong).toThrow("w.first");
  expect(wrong).toThrow("w.second");
  expect([...(await wider.first.data())]).toEqual([1, 2, 3]);
});
