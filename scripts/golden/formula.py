"""Weights and pictures that no file holds: a hash of a tensor's name and an element's place, the same in any language."""

import numpy as np
import torch

MASK = 0xFFFFFFFF


def fnv1a(text: str) -> int:
    seed = 0x811C9DC5
    for byte in text.encode():
        seed = ((seed ^ byte) * 0x01000193) & MASK
    return seed


def hashes(name: str, count: int) -> np.ndarray:
    """32 bits for each place: murmur3's finaliser over a Weyl sequence that starts at the name's FNV-1a."""
    h = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(fnv1a(name))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    return h ^ (h >> np.uint32(16))


def parameter(name: str, shape: list[int], rules: list) -> torch.Tensor:
    """center + spread · u with u uniform in [−1, 1), by the first rule whose suffix fits. `fanIn` divides the spread by √(inputs of an output)."""
    rule = next(rule for rule in rules if name.endswith(rule["suffix"]))
    count = int(np.prod(shape, dtype=np.int64))
    u = (hashes(name, count) >> np.uint32(8)).astype(np.float64) / 2.0**23 - 1.0
    spread = rule["spread"] / np.sqrt(count / shape[0]) if rule.get("fanIn") else rule["spread"]
    return torch.from_numpy((rule["center"] + spread * u).astype(np.float32).reshape(shape))


def state(shapes: dict[str, list[int]], rules: list) -> dict[str, torch.Tensor]:
    return {name: parameter(name, shape, rules) for name, shape in shapes.items()}


def picture(name: str, height: int, width: int) -> np.ndarray:
    """Bytes [H, W, 3]: a shape with edges, on which noise lies."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    flat = ((x * 5 // width + y * 3 // height + c) % 4).astype(np.uint32) * np.uint32(64)
    noise = (hashes(name, height * width * 3) >> np.uint32(26)).reshape(height, width, 3)
    return (flat + noise).astype(np.uint8)
