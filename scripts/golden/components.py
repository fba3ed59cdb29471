"""Text encoder, UNet and VAE of every tiny checkpoint: inputs and outputs."""

import torch

from . import checkpoints, store
from .names import CHECKPOINTS

PROMPTS = {
    "plain": "a photo of a cat sitting on a red chair",
    "negative": "blurry, low quality, watermark!!",
    "empty": "",
    "literal end": "a cat<|endoftext|>a dog",
    "long": "a painting of a small house by the lake, " * 12,
}


PAIRS = {"batch of two": [PROMPTS["plain"], PROMPTS["negative"]], **{key: [text] for key, text in PROMPTS.items()}}


def tokens(pipeline, prompts: list[str]) -> torch.Tensor:
    tokenizer = pipeline.tokenizer
    return tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids


def encode(pipeline, prompts: list[str]) -> torch.Tensor:
    return pipeline.text_encoder(tokens(pipeline, prompts)).last_hidden_state


def seeded(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def write_text() -> None:
    for name in CHECKPOINTS:
        pipeline = checkpoints.load(name)
        vocab = pipeline.text_encoder.config.vocab_size
        cases = []
        inputs = {key: tokens(pipeline, [prompt]) for key, prompt in PROMPTS.items() if key not in ("plain", "negative")}
        inputs["batch of two"] = tokens(pipeline, [PROMPTS["plain"], PROMPTS["negative"]])
        inputs["short"] = torch.randint(0, vocab, (1, 5), generator=torch.Generator().manual_seed(1))
        for key, ids in inputs.items():
            out = pipeline.text_encoder(ids, output_hidden_states=True)
            results = {"ids": ids.to(torch.int32), "last_hidden_state": out.last_hidden_state}
            # The other layers once: the one before the last is what SDXL-like pipelines use.
            if key == "batch of two":
                results |= {f"hidden_states.{i}": hidden for i, hidden in enumerate(out.hidden_states)}
            cases.append(({"name": key, "prompts": PAIRS.get(key), "shape": list(ids.shape)}, results))
        store.write_cases(f"text/{name}", cases, layers=pipeline.text_encoder.config.num_hidden_layers)


def unet_cases(size: int):
    """(name, batch, height, width, text length, timesteps)"""
    return [
        ("last step", 1, size, size, 77, [999.0]),
        ("first step", 1, size, size, 9, [0.0]),
        ("fractional step", 1, size, size, 9, [964.55]),
        ("odd 7x9", 1, 7, 9, 9, [501.0]),
        ("odd 10x6", 1, 10, 6, 9, [1.0]),
        ("odd 5x13 batch of two", 2, 5, 13, 11, [999.0, 20.0]),
        ("twice the size", 1, 2 * size, 2 * size, 9, [700.0]),
        ("one token", 1, size, size, 1, [250.0]),
        ("single pixel", 1, 1, 1, 5, [999.0]),
    ]


def write_unet() -> None:
    for name in CHECKPOINTS:
        unet = checkpoints.load(name).unet
        cases = []
        for i, (case, batch, height, width, length, steps) in enumerate(unet_cases(unet.config.sample_size)):
            sample = seeded(1000 + i, batch, unet.config.in_channels, height, width)
            text = seeded(2000 + i, batch, length, unet.config.cross_attention_dim)
            timestep = torch.tensor(steps)
            output = unet(sample, timestep, text).sample
            cases.append((
                {"name": case, "timestep": steps, "shape": [batch, height, width], "textLength": length},
                {"sample": sample, "timestep": timestep, "encoder_hidden_states": text, "output": output},
            ))
            print(f"{name} {case}: output std {output.std():.3f}")
        # How much text, time and a detail of attention weigh: a test tolerance of 1e-4 must see a mistake in any of them.
        base = cases[0][1]
        other = unet(base["sample"], base["timestep"], seeded(9, *base["encoder_hidden_states"].shape)).sample
        late = unet(base["sample"], torch.tensor([900.0]), base["encoder_hidden_states"]).sample
        scale = base["output"].norm()
        print(f"{name}: other text {(other - base['output']).norm() / scale:.3f}, other time {(late - base['output']).norm() / scale:.3f}")
        store.write_cases(f"unet/{name}", cases)


def write_vae() -> None:
    for name in CHECKPOINTS:
        vae = checkpoints.load(name).vae
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        cases = []
        for i, (case, batch, height, width) in enumerate([("square", 1, 6, 6), ("odd 5x3", 1, 5, 3), ("batch of two", 2, 2, 4)]):
            latent = seeded(3000 + i, batch, 4, height, width)
            decoded = vae.decode(latent).sample
            cases.append(({"name": f"decode {case}", "kind": "decode"}, {"z": latent, "output": decoded}))
            picture = seeded(4000 + i, batch, 3, height * factor, width * factor).clamp(-1, 1)
            posterior = vae.encode(picture).latent_dist
            cases.append((
                {"name": f"encode {case}", "kind": "encode"},
                {"x": picture, "mean": posterior.mean, "logvar": posterior.logvar},
            ))
            print(f"{name} {case}: decoded std {decoded.std():.3f}")
        store.write_cases(f"vae/{name}", cases, factor=factor, scalingFactor=vae.config.scaling_factor)
