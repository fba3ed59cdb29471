"""Negative-away steer attention (NASA): an independent implementation as a diffusers attention processor.

In every cross-attention layer, before the output projection: Z = softmax(Q K+ᵀ/√d) V+ − α · softmax(Q K-ᵀ/√d) V-.
Self-attention keeps its processor. Attention is written out, not delegated to PyTorch's fused function.
"""

import torch

from . import checkpoints, store
from .components import seeded
from .names import CHECKPOINTS


def heads(x: torch.Tensor, count: int) -> torch.Tensor:
    batch, length, inner = x.shape
    return x.reshape(batch, length, count, inner // count).permute(0, 2, 1, 3)


def attend(query, key, value, mask) -> torch.Tensor:
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
    return scores.softmax(-1) @ value


class Nasa:
    """negative: [1 or B, L-, D]; scale: a number or one per sample; mask: [1 or B, L-], true where a token counts."""

    def __init__(self, negative: torch.Tensor, scale, mask: torch.Tensor | None = None):
        self.negative, self.scale, self.mask = negative, scale, mask

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        if attention_mask is not None or hidden_states.ndim != 3:
            raise ValueError("these goldens use no positive mask and token inputs")
        query = heads(attn.to_q(hidden_states), attn.heads)
        positive = attend(query, *(heads(to(encoder_hidden_states), attn.heads) for to in (attn.to_k, attn.to_v)), None)
        batch = hidden_states.shape[0]
        negative = self.negative.expand(batch, -1, -1)
        mask = None if self.mask is None else self.mask.expand(batch, -1)
        away = attend(query, *(heads(to(negative), attn.heads) for to in (attn.to_k, attn.to_v)), mask)
        scale = torch.as_tensor(self.scale, dtype=torch.float32).reshape(-1, 1, 1, 1)
        merged = (positive - scale * away).permute(0, 2, 1, 3).reshape(hidden_states.shape[0], hidden_states.shape[1], -1)
        return attn.to_out[0](merged)


class installed:
    """Puts a processor on every cross-attention layer of the UNet while the block runs."""

    def __init__(self, unet, processor):
        self.unet, self.processor = unet, processor

    def __enter__(self):
        self.before = self.unet.attn_processors
        self.unet.set_attn_processor({
            key: self.processor if ".attn2." in key else value for key, value in self.before.items()
        })

    def __exit__(self, *_):
        self.unet.set_attn_processor(self.before)


def write() -> None:
    for name in CHECKPOINTS:
        unet = checkpoints.load(name).unet
        size, width = unet.config.sample_size, unet.config.cross_attention_dim
        # (name, batch, latent size, L+, negative batch, L-, scale, tokens of the negative that count)
        table = [
            ("scale 0", 1, (size, size), 12, 1, 12, 0.0, None),
            ("scale one half", 1, (size, size), 12, 1, 12, 0.5, None),
            ("scale 1", 1, (size, size), 12, 1, 12, 1.0, None),
            ("negative of 5 tokens", 1, (size, size), 77, 1, 5, 0.5, None),
            ("negative longer than positive", 1, (7, 9), 4, 1, 11, 0.8, None),
            ("one negative for a batch of two", 2, (5, 6), 8, 1, 5, 0.5, None),
            ("a scale per sample", 2, (5, 6), 7, 2, 5, [0.25, 1.0], None),
            ("masked negative", 1, (size, size), 7, 1, 9, 0.5, 5),
        ]
        cases = []
        for i, (case, batch, (h, w), length, nbatch, nlength, scale, counted) in enumerate(table):
            # The first three share their inputs, so that only the scale differs.
            seed = 5000 + (0 if i < 3 else 10 * i)
            sample, text = seeded(seed, batch, 4, h, w), seeded(seed + 1, batch, length, width)
            negative, timestep = seeded(seed + 2, nbatch, nlength, width), torch.full((batch,), 999.0)
            tensors = {"sample": sample, "timestep": timestep, "encoder_hidden_states": text, "negative_hidden_states": negative}
            mask = None
            if counted is not None:
                mask = torch.arange(nlength)[None] < counted
                tensors["negative_mask"] = mask
            plain = unet(sample, timestep, text).sample
            with installed(unet, Nasa(negative, scale, mask)):
                tensors["output"] = unet(sample, timestep, text).sample
            change = (tensors["output"] - plain).norm() / plain.norm()
            if scale == 0.0 and change > 1e-5 or scale != 0.0 and change < 0.01:
                raise ValueError(f"{name} {case}: NASA changes the output by {change}")
            print(f"{name} {case}: {change:.3g} away from plain")
            cases.append(({"name": case, "scale": scale, "timestep": 999}, tensors))
        store.write_cases(f"nasa/{name}", cases)
