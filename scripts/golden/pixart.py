"""diffusers' PixArtTransformer2DModel in f64 with weights from a formula: one as PixArt-alpha's, and two of other sizes."""

import torch
from diffusers import PixArtTransformer2DModel

from . import formula, store
from .components import seeded
from .nasa import heads

RULES = [
    # Attention with peaks.
    *({"suffix": f".{name}.weight", "center": 0.0, "spread": 3.0, "fanIn": True} for name in ("to_q", "to_k")),
    {"suffix": ".weight", "center": 0.0, "spread": 1.7, "fanIn": True},
    {"suffix": ".bias", "center": 0.0, "spread": 0.3},
    {"suffix": "scale_shift_table", "center": 0.2, "spread": 0.5},
]
NETWORKS = {
    # Positions, micro-conditions and interpolation as of 1024 x 1024.
    "alpha": {
        "num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 2, "cross_attention_dim": 24, "caption_channels": 20,
        "sample_size": 128,
    },
    "other": {
        "num_attention_heads": 4, "attention_head_dim": 5, "num_layers": 2, "cross_attention_dim": 20, "caption_channels": 28,
        "in_channels": 3, "out_channels": None, "sample_size": 13, "patch_size": 3, "attention_bias": False, "norm_eps": 0.01,
        "interpolation_scale": 0.5,
    },
    "without captions": {
        "num_attention_heads": 1, "attention_head_dim": 8, "num_layers": 1, "cross_attention_dim": 14, "sample_size": 128,
        "use_additional_conditions": False,
    },
}
# Small steps and sizes have sinusoids whose f32 does not depend on who rounds: in f64 their last digits can be compared.
# name: network, shape of x, timesteps, text length, tokens that count in each text (none: no mask), size in pixels
CASES = {
    "wide batch of two": ("alpha", (2, 4, 6, 10), [999.0, 20.0], 7, [7, 3], (384, 640)),
    "tall": ("alpha", (1, 4, 8, 2), [2.0], 4, [2], (8, 2)),
    "as trained": ("other", (1, 3, 12, 12), [964.55], 5, None, None),
    "tall batch of two": ("other", (2, 3, 9, 6), [1.0], 6, [4], None),
    "no captions": ("without captions", (1, 4, 2, 6), [0.0], 3, [2], None),
}
# Gradients of parameters at either end of the network.
TRAINED = [
    "pos_embed.proj.bias", "caption_projection.linear_1.bias", "adaln_single.emb.aspect_ratio_embedder.linear_1.bias",
    "adaln_single.linear.bias", "transformer_blocks.0.scale_shift_table", "transformer_blocks.0.attn1.to_q.bias", "scale_shift_table",
]


def network(name: str) -> PixArtTransformer2DModel:
    model = PixArtTransformer2DModel(**NETWORKS[name])
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(formula.state(shapes, RULES))
    return model.double().eval()


class Nasa:
    """Z+ - scale * Z- in a cross-attention layer; `bias` is added to the negative's scores, `attention_mask` to the positive's."""

    def __init__(self, negative: torch.Tensor, bias: torch.Tensor, scale: float):
        self.negative, self.bias, self.scale = negative, bias, scale

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        query = heads(attn.to_q(hidden_states), attn.heads)

        def attend(text, bias):
            key, value = (heads(to(text), attn.heads) for to in (attn.to_k, attn.to_v))
            return (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + bias[:, None]).softmax(-1) @ value

        merged = attend(encoder_hidden_states, attention_mask) - self.scale * attend(self.negative, self.bias)
        return attn.to_out[0](merged.permute(0, 2, 1, 3).flatten(2))


def call(model, tensors: dict, size) -> torch.Tensor:
    batch, like = len(tensors["sample"]), tensors["sample"]
    on = lambda values: torch.tensor(values).to(like.dtype).expand(batch, -1)
    added = {"resolution": on([list(map(float, size))]), "aspect_ratio": on([[size[0] / size[1]]])} if size else None
    mask = tensors.get("mask")
    return model(
        tensors["sample"], tensors["encoder_hidden_states"], tensors["timestep"].expand(batch), added,
        encoder_attention_mask=None if mask is None else mask.expand(batch, -1),
    ).sample


def inputs(index: int, name: str) -> dict:
    owner, shape, steps, length, counted, _ = CASES[name]
    config = network(owner).config
    channels = config.caption_channels or config.cross_attention_dim
    tensors = {
        "sample": seeded(7000 + index, *shape), "encoder_hidden_states": seeded(7100 + index, shape[0], length, channels),
        "timestep": torch.tensor(steps),
    }
    if counted:
        tensors["mask"] = (torch.arange(length)[None] < torch.tensor(counted)[:, None]).to(torch.int32)
    return tensors


def wide(tensors: dict) -> dict:
    return {key: value.double() if key in ("sample", "encoder_hidden_states") else value for key, value in tensors.items()}


def write() -> None:
    cases = []
    for i, (name, (owner, _, steps, _, _, size)) in enumerate(CASES.items()):
        model, given = network(owner), inputs(i, name)
        exact = wide(given)
        exact["sample"].requires_grad_()
        exact["encoder_hidden_states"].requires_grad_()
        output = call(model, exact, size)
        (0.5 * output.square().sum()).backward()
        parameters = dict(model.named_parameters())
        gradients = {f"gradient.{key}": exact[key].grad.float() for key in ("sample", "encoder_hidden_states")}
        gradients |= {f"gradient.{key}": parameters[key].grad.float() for key in TRAINED if key in parameters and name == "wide batch of two"}
        description = {"name": name, "network": owner, "timestep": steps, **({"size": size} if size else {})}
        cases.append((description, {**given, "output": output.float(), **gradients}))
        report(name, model, given, output.detach(), size)
    cases.append(negative(cases[0]))
    store.write_cases("pixart", cases, rules=RULES, configs=NETWORKS)


def negative(like: tuple) -> tuple:
    """The first case with NASA: a negative of another length, with a mask of its own, for both pictures."""
    description, tensors = like
    given = {key: tensors[key] for key in ("sample", "encoder_hidden_states", "timestep", "mask")}
    model = network(description["network"])
    states, mask = seeded(7200, 1, 5, model.config.caption_channels), torch.tensor([[1, 1, 1, 0, 0]], dtype=torch.int32)
    bias = (1 - mask.double())[:, None] * -10000.0
    processor = Nasa(model.caption_projection(states.double()), bias, 0.5)
    model.set_attn_processor({key: processor if ".attn2." in key else value for key, value in model.attn_processors.items()})
    output = call(model, wide(given), description["size"])
    print(f"NASA: {(output - tensors['output']).norm() / output.norm():.2g} away from plain")
    return (
        {**description, "name": "NASA", "scale": 0.5},
        {**given, "negative_hidden_states": states, "negative_mask": mask, "output": output.float()},
    )


def report(name: str, model: PixArtTransformer2DModel, given: dict, wanted: torch.Tensor, size) -> None:
    """What f32 and the subtlest mistakes weigh: a test's tolerance lies between."""
    far = lambda output: ((output.detach().double() - wanted).norm() / wanted.norm()).item()
    single = far(call(model.float(), given, size))
    model.double()
    exact = wide(given)
    without = {}
    for key, value in model.state_dict().items():
        kept = value.clone()
        value.zero_()
        without[key] = far(call(model, exact, size))
        value.copy_(kept)
    # Softmax does not see what is the same for all keys.
    least = min((key for key in without if not key.endswith("to_k.bias")), key=without.get)
    model.norm_out.eps = 1e-5
    eps = far(call(model, exact, size))
    model.norm_out.eps = 1e-6
    for block in model.transformer_blocks:
        block.ff.net[0].approximate = "none"
    erf = far(call(model, exact, size))
    print(f"{name}: std {wanted.std():.2f}, f32 {single:.1e}, least of a tensor left out {without[least]:.1e} ({least}), last eps {eps:.1e}, erf {erf:.1e}")
