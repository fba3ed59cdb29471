"""Single operations with their gradients, in f64: outputs of torch.nn.functional and torch.autograd."""

import torch
import torch.nn.functional as F

from . import store


class Numbers:
    """Normal f64 numbers from one stream a case."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)


def convolutions():
    for name, x, w, options in [
        ("3x3 pad 1", (2, 3, 5, 7), (4, 3, 3, 3), {"stride": 1, "padding": 1}),
        ("3x3 stride 2 pad 1", (1, 4, 7, 6), (5, 4, 3, 3), {"stride": 2, "padding": 1}),
        ("3x3 stride 2 pad 0", (1, 2, 9, 8), (3, 2, 3, 3), {"stride": 2, "padding": 0}),
        ("1x1", (2, 5, 3, 4), (6, 5, 1, 1), {"stride": 1, "padding": 0}),
        ("1x1 stride 2", (1, 3, 5, 5), (2, 3, 1, 1), {"stride": 2, "padding": 0}),
        ("5x3 uneven stride and padding", (1, 2, 8, 9), (3, 2, 5, 3), {"stride": [2, 3], "padding": [2, 1]}),
        ("single pixel", (1, 3, 1, 1), (4, 3, 3, 3), {"stride": 1, "padding": 1}),
        ("17 to 19 channels", (1, 17, 6, 5), (19, 17, 3, 3), {"stride": 1, "padding": 1}),
    ]:
        for bias in (True, False) if name == "3x3 pad 1" else (True,):
            shapes = {"x": x, "weight": w, **({"bias": w[:1]} if bias else {})}
            yield f"conv2d {name}{'' if bias else ' no bias'}", "conv2d", options, shapes, (
                lambda t, o=options: F.conv2d(t["x"], t["weight"], t.get("bias"), **o)
            )


def norms():
    for x, groups, eps in [((2, 6, 3, 5), 3, 1e-5), ((1, 8, 4, 4), 4, 1e-6), ((1, 4, 1, 1), 2, 1e-5), ((2, 12, 7), 6, 1e-5), ((1, 6, 5, 3), 1, 1e-5)]:
        yield f"group_norm {x} in {groups}", "groupNorm", {"groups": groups, "eps": eps}, {"x": x, "weight": x[1:2], "bias": x[1:2]}, (
            lambda t, g=groups, e=eps: F.group_norm(t["x"], g, t["weight"], t["bias"], e)
        )
    for x, eps in [((2, 5, 7), 1e-5), ((3, 33), 1e-6), ((1, 1, 64), 1e-5)]:
        yield f"layer_norm {x}", "layerNorm", {"eps": eps}, {"x": x, "weight": x[-1:], "bias": x[-1:]}, (
            lambda t, s=x[-1:], e=eps: F.layer_norm(t["x"], s, t["weight"], t["bias"], e)
        )
    for x, dim in [((3, 5), -1), ((2, 4, 3), 1), ((2, 77), -1), ((4, 1), -1), ((6,), 0)]:
        yield f"softmax {x} dim {dim}", "softmax", {"dim": dim}, {"x": x}, lambda t, d=dim: F.softmax(t["x"], dim=d)


def attentions():
    def shapes(b, h, n, length, d):
        return {"query": (b, h, n, d), "key": (b, h, length, d), "value": (b, h, length, d)}

    def attend(t, **options):
        return F.scaled_dot_product_attention(t["query"], t["key"], t["value"], **options)

    def boolean(n, length, seed):
        mask = torch.rand(n, length, generator=torch.Generator().manual_seed(seed)) > 0.4
        mask[:, 0] = True
        return mask

    yield "attention plain", "attention", {}, shapes(2, 2, 5, 7, 4), attend
    yield "attention self", "attention", {}, shapes(1, 3, 9, 9, 8), attend
    yield "attention causal", "attention", {"causal": True}, shapes(1, 2, 6, 6, 5), lambda t: attend(t, is_causal=True)
    yield "attention scale", "attention", {"scale": 0.7}, shapes(1, 1, 4, 5, 3), lambda t: attend(t, scale=0.7)
    yield "attention one key", "attention", {}, shapes(1, 2, 4, 1, 6), attend
    mask = boolean(5, 7, 11)
    yield "attention bool mask", "attention", {}, {**shapes(2, 2, 5, 7, 4), "mask": mask}, lambda t: attend(t, attn_mask=t["mask"])
    rows = boolean(2, 7, 12).reshape(2, 1, 1, 7)
    yield "attention key padding mask", "attention", {}, {**shapes(2, 2, 5, 7, 4), "mask": rows}, lambda t: attend(t, attn_mask=t["mask"])
    bias = Numbers(13)(5, 7)
    yield "attention float mask", "attention", {}, {**shapes(2, 2, 5, 7, 4), "mask": bias}, lambda t: attend(t, attn_mask=t["mask"])


def elementwise():
    for name, function in [
        ("gelu", F.gelu),
        ("geluTanh", lambda x: F.gelu(x, approximate="tanh")),
        ("geluQuick", lambda x: x * torch.sigmoid(1.702 * x)),
        ("silu", F.silu),
    ]:
        yield name, name, {}, {"x": "line"}, lambda t, f=function: f(t["x"])


def resampling():
    for x, size in [((1, 2, 3, 4), (6, 8)), ((2, 3, 4, 5), (7, 9)), ((1, 2, 5, 7), (3, 4)), ((1, 1, 1, 1), (3, 2)), ((1, 2, 6, 6), (6, 6)), ((1, 1, 2, 3), (5, 13))]:
        for mode in ("nearest", "bilinear"):
            options = {"align_corners": False} if mode == "bilinear" else {}
            yield f"interpolate {mode} {x[2:]} to {size}", "interpolate", {"mode": mode, "size": list(size)}, {"x": x}, (
                lambda t, s=size, m=mode, o=options: F.interpolate(t["x"], size=s, mode=m, **o)
            )


def lookups():
    ids = torch.tensor([[0, 3, 3, 6], [5, 0, 1, 3]], dtype=torch.int32)
    yield "embedding", "embedding", {}, {"weight": (7, 5), "ids": ids}, lambda t: F.embedding(t["ids"].long(), t["weight"])


def write() -> None:
    cases = []
    groups = (convolutions, norms, attentions, elementwise, resampling, lookups)
    for i, (name, op, options, shapes, function) in enumerate(case for group in groups for case in group()):
        numbers = Numbers(8000 + i)
        inputs = {}
        for key, shape in shapes.items():
            if isinstance(shape, torch.Tensor):
                inputs[key] = shape.requires_grad_(shape.is_floating_point())
            elif shape == "line":
                # Both tails, where careless formulas lose digits or overflow.
                inputs[key] = torch.cat([torch.linspace(-12, 12, 49, dtype=torch.float64), numbers(8)]).requires_grad_()
            else:
                inputs[key] = numbers(*shape).requires_grad_()
        output = function(inputs)
        upstream = numbers(*output.shape)
        wanted = {key: value for key, value in inputs.items() if value.requires_grad}
        gradients = torch.autograd.grad(output, list(wanted.values()), upstream)
        tensors = {f"in.{key}": value for key, value in inputs.items()}
        tensors |= {"out": output, "upstream": upstream}
        tensors |= {f"grad.{key}": gradient for key, gradient in zip(wanted, gradients, strict=True)}
        description = {"name": name, "op": op, "options": options, "inputs": list(inputs), "gradients": list(wanted)}
        cases.append((description, tensors))
    store.write_cases("ops", cases)
