"""Fréchet distance, precision and recall, cosine scores and entropies, as NumPy computes them from features in f64 by other routes than ours."""

import numpy as np
import torch

from . import store


def draw(seed: int, rows: int, width: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Correlated features with means and variances of their own."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(width).normal(size=(width, width)) / np.sqrt(width)
    return scale * rng.normal(size=(rows, width)) @ mix + shift + np.linspace(0, 1, width)


def frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The trace of the root from the eigenvalues of the product itself, which is not symmetric."""
    first, second = (np.atleast_2d(np.cov(z, rowvar=False)) for z in (x, y))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * roots)


def within(points: np.ndarray, manifold: np.ndarray, k: int) -> float:
    """Column k of the sorted distances is the k-th neighbour: column 0 is the sample itself."""
    distances = np.linalg.norm(manifold[:, None] - manifold[None], axis=-1)
    radii = np.sort(distances, axis=1)[:, k]
    return float((np.linalg.norm(points[:, None] - manifold[None], axis=-1) <= radii[None]).any(1).mean())


def write() -> None:
    cases = []

    def add(name: str, x: np.ndarray, y: np.ndarray, **fields) -> None:
        cases.append(({"name": name, **fields}, {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}))

    pairs = {
        "shifted": (draw(1, 60, 8), draw(2, 45, 8, shift=0.3)),
        "scaled": (draw(3, 50, 12), draw(4, 70, 12, scale=1.7)),
        "large mean": (draw(5, 40, 6, shift=1000.0), draw(6, 40, 6, shift=1000.5)),
        "one feature": (draw(7, 20, 1), draw(8, 30, 1, shift=1.0)),
        "in f32": (draw(9, 40, 10).astype(np.float32), draw(10, 50, 10, shift=0.1).astype(np.float32)),
    }
    for name, (x, y) in pairs.items():
        x64, y64 = x.astype(np.float64), y.astype(np.float64)
        neighbours = [{"k": k, "precision": within(y64, x64, k), "recall": within(x64, y64, k)} for k in (1, 3, 5)]
        add(name, x, y, kind="distance", frechet=frechet(x64, y64), traces=float(np.cov(x64.T).trace() + np.cov(y64.T).trace())
            if x.shape[1] > 1 else float(np.cov(x64.T) + np.cov(y64.T)), neighbours=neighbours)

    x, y = draw(11, 30, 16), draw(12, 30, 16, shift=0.2)
    products = (x * y).sum(1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    add("cosines", x, y, kind="cosines", cosines=products.tolist(), mean=float(products.mean()))

    entropies = []
    for counts in ([1, 1], [3, 1], [5, 0, 0], [10, 20, 30, 40], [7, 0, 7, 0, 2]):
        p = np.array(counts) / sum(counts)
        p = p[p > 0]
        entropies.append({"counts": counts, "entropy": float(-(p * np.log(p)).sum() / np.log(len(counts)))})
    seeds = [0.31, 0.35, 0.34]
    store.write_cases("metrics", cases, entropies=entropies,
                      spread={"values": seeds, "mean": float(np.mean(seeds)), "spread": float(np.std(seeds, ddof=1))})
