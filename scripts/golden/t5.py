"""transformers' T5 encoder with weights from a formula: gated as PixArt has it, and the first T5's of other sizes; and relative positions' buckets."""

from collections.abc import Callable
from contextlib import contextmanager

import torch
from transformers import T5Config, T5EncoderModel
from transformers.models.t5 import modeling_t5

from . import formula, store

RULES = [
    # Small, so that the eps of the norms counts.
    {"suffix": "shared.weight", "center": 0.0, "spread": 0.05},
    {"suffix": "relative_attention_bias.weight", "center": 0.0, "spread": 3.0},
    {"suffix": "layer_norm.weight", "center": 1.0, "spread": 0.3},
    # Layers that write to the stream.
    {"suffix": ".o.weight", "center": 0.0, "spread": 0.3, "fanIn": True},
    {"suffix": ".wo.weight", "center": 0.0, "spread": 0.4, "fanIn": True},
    # Wide enough for the two GELUs to differ.
    {"suffix": ".wi_0.weight", "center": 0.0, "spread": 3.0, "fanIn": True},
    {"suffix": ".weight", "center": 0.0, "spread": 1.6, "fanIn": True},
]
CONFIGS = {
    "gated": {"vocab_size": 40, "d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 24, "num_layers": 2, "feed_forward_proj": "gated-gelu"},
    "relu": {
        "vocab_size": 30, "d_model": 12, "d_kv": 8, "num_heads": 3, "d_ff": 20, "num_layers": 3, "layer_norm_epsilon": 1e-5,
        "relative_attention_num_buckets": 18, "relative_attention_max_distance": 20,
    },
}
# As published; the two networks'; and where a boundary is a whole number that f64 puts on its other side.
BUCKETS = [(32, 128), (18, 20), (8, 300), (18, 128), (20, 160)]
FARTHEST = 200


def network(config: dict) -> T5EncoderModel:
    model = T5EncoderModel(T5Config(**config)).eval()
    state = formula.state({key: list(value.shape) for key, value in model.state_dict().items()}, RULES)
    # Two names of one tensor.
    model.load_state_dict({**state, "encoder.embed_tokens.weight": state["shared.weight"]})
    return model


def inputs(vocab: int, batch: int, length: int, counts: list[int] | None, seed: int) -> dict[str, torch.Tensor]:
    ids = torch.randint(0, vocab, (batch, length), generator=torch.Generator().manual_seed(seed))
    if counts is None:
        return {"ids": ids.int()}
    return {"ids": ids.int(), "mask": (torch.arange(length)[None] < torch.tensor(counts)[:, None]).int()}


# (network, name, batch, length, tokens that count)
TABLE = [
    ("gated", "beyond every boundary", 2, 150, [150, 131]),
    ("gated", "no mask", 1, 9, None),
    ("gated", "nothing counts", 2, 7, [0, 3]),
    ("relu", "batch of two", 2, 30, [11, 30]),
    ("relu", "one token", 1, 1, None),
]


def run(model: T5EncoderModel, given: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(given["ids"].long(), attention_mask=given.get("mask")).last_hidden_state


def write() -> None:
    cases = []
    for i, (kind, name, batch, length, counts) in enumerate(TABLE):
        model = network(CONFIGS[kind])
        given = inputs(CONFIGS[kind]["vocab_size"], batch, length, counts, 7000 + i)
        with torch.no_grad():
            last = run(model, given)
            report(f"{kind}, {name}", model, given, last)
        cases.append(({"name": f"{kind}, {name}", "network": kind, "shape": [batch, length]}, {**given, "last_hidden_state": last}))
    distances = torch.arange(-FARTHEST, FARTHEST + 1)
    bucket = modeling_t5.T5Attention._relative_position_bucket
    buckets = [{"numBuckets": n, "maxDistance": far, "of": bucket(distances, True, n, far).tolist()} for n, far in BUCKETS]
    store.write_cases("text/t5", cases, rules=RULES, configs=CONFIGS, farthest=FARTHEST, buckets=buckets)


@contextmanager
def instead(owner: object, name: str, value: object):
    kept = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def report(name: str, model: T5EncoderModel, given: dict[str, torch.Tensor], last: torch.Tensor) -> None:
    """What f32 and the subtlest mistakes weigh: a test's tolerance lies between."""
    far = lambda x: ((x.double() - last.double()).norm() / last.double().norm()).item()
    double = far(run(model.double(), given))
    model.float()

    def mistaken(change: Callable[[torch.nn.Module], None]) -> float:
        other = network(model.config.to_dict())
        for module in other.modules():
            change(module)
        return far(run(other, given))

    def scaled(module):
        if isinstance(module, modeling_t5.T5Attention):
            module.scaling = module.key_value_proj_dim**-0.5

    def eps(module):
        if isinstance(module, modeling_t5.T5LayerNorm):
            module.variance_epsilon = 1.1e-5 - module.variance_epsilon

    def activation(module):
        if hasattr(module, "act"):
            module.act = torch.nn.GELU()

    weigh = {"1/√d": mistaken(scaled), "eps": mistaken(eps), "erf": mistaken(activation)}
    bucket = modeling_t5.T5Attention._relative_position_bucket
    with instead(modeling_t5.T5Attention, "_relative_position_bucket", staticmethod(lambda d, *rest, **more: bucket(-d, *rest, **more))):
        weigh["mirrored distances"] = far(run(model, given))
    with instead(modeling_t5.T5Attention, "_relative_position_bucket", staticmethod(lambda d, *rest, **more: bucket(d.clamp(-64, 63), *rest, **more))):
        weigh["the last boundary"] = far(run(model, given))
    if "mask" in given:
        weigh["no mask"] = far(run(model, {"ids": given["ids"]}))
    without = {}
    for key, value in model.named_parameters():
        kept = value.clone()
        value.copy_(torch.ones_like(value) if "norm" in key else torch.zeros_like(value))
        without[key] = far(run(model, given))
        value.copy_(kept)
    least = min(without, key=without.get)
    print(f"{name}: std {last.std():.2f}, f64 {double:.1e}, least of a tensor left out {without[least]:.1e} ({least})")
    print("  " + ", ".join(f"{what} {size:.1e}" for what, size in weigh.items()))
