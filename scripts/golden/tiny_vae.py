"""diffusers' AutoencoderTiny with weights from a formula: as published (TAESD), and one of other sizes that the code was not written along."""

import torch
from diffusers import AutoencoderTiny

from . import formula, store
from .components import seeded
from .manifests import CONFIGS

RULES = [
    # A block's last convolution lies on the stream that its skip carries: smaller, or the stream would grow at each.
    {"suffix": ".conv.4.weight", "center": 0.0, "spread": 0.8, "fanIn": True},
    {"suffix": ".weight", "center": 0.0, "spread": 2.0, "fanIn": True},
    {"suffix": ".bias", "center": 0.0, "spread": 0.3},
]
OTHER = {
    "act_fn": "gelu", "encoder_block_out_channels": [12, 12, 12], "num_encoder_blocks": [2, 1, 1], "in_channels": 2, "latent_channels": 5,
    "decoder_block_out_channels": [20, 20], "num_decoder_blocks": [1, 2], "out_channels": 4, "upsampling_scaling_factor": 4,
}


def network(config: dict) -> AutoencoderTiny:
    model = AutoencoderTiny(**config)
    shapes = {key: list(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(formula.state(shapes, RULES))
    return model.double().eval()


def write() -> None:
    configs = {"published": CONFIGS["taesd-vae"][1], "other": OTHER}
    cases = []
    for name, config in configs.items():
        model = network(config)
        for i, (case, batch, height, width) in enumerate([("wide", 1, 1, 3), ("batch of two", 2, 2, 1)]):
            # Twice as wide as a UNet's latents, so that the clamp bends many of them.
            z = (2 * seeded(5000 + i, batch, config["latent_channels"], height, width)).double().requires_grad_()
            output = model.decode(z).sample
            (0.5 * output.square().sum()).backward()
            cases.append((
                {"name": f"{name} decode {case}", "network": name, "kind": "decode"},
                {"z": z.float(), "output": output.float(), "gradient": z.grad.float()},
            ))
        for i, (case, batch, height, width) in enumerate([("odd 13x9", 1, 13, 9), ("batch of two", 2, 8, 8)]):
            x = seeded(6000 + i, batch, config["in_channels"], height, width).clamp(-1, 1)
            latents = model.encode(x.double()).latents
            cases.append(({"name": f"{name} encode {case}", "network": name, "kind": "encode"}, {"x": x, "latents": latents.float()}))
        report(name, model, cases)
    store.write_cases("vae/autoencoder-tiny", cases, rules=RULES, configs=configs)


def report(name: str, model: AutoencoderTiny, cases: list) -> None:
    """What f32 and the subtlest mistakes weigh: a test's tolerance lies between."""
    far = lambda a, b: f"{((a.double() - b.double()).norm() / b.double().norm()).item():.1e}"
    for description, tensors in cases:
        if description["network"] != name:
            continue
        decodes = description["kind"] == "decode"
        given, wanted = (tensors["z"].detach(), tensors["output"]) if decodes else (tensors["x"], tensors["latents"])
        of = lambda m, x: m.decode(x).sample if decodes else m.encode(x).latents
        single = of(model.float(), given)
        model.double()
        half = model.decoder if decodes else model.encoder
        prefix = "decoder" if decodes else "encoder"
        without = {}
        for key, value in half.state_dict().items():
            kept = value.clone()
            value.zero_()
            without[f"{prefix}.{key}"] = ((of(model, given.double()) - wanted).norm() / wanted.norm()).item()
            value.copy_(kept)
        least = min(without, key=without.get)
        print(f"{description['name']}: std {wanted.std():.2f}, f32 {far(single, wanted)}, least of a tensor left out {without[least]:.1e} ({least})")
        if decodes:
            bare = half.layers(given.double()).mul(2).sub(1)
            print(f"  without the clamp {far(bare, wanted)}")
