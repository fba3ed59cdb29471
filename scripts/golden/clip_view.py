"""A picture as CLIP sees it while a student learns: PyTorch's antialiased bicubic, then means and deviations, in f64, with a gradient."""

import torch
import torch.nn.functional as F

from . import formula, store

# Beyond −1 … 1 as a decoder's pictures are: nothing is cut.
RULES = [{"suffix": "", "center": 0.0, "spread": 1.2}]
# OpenAI's, as transformers' CLIPImageProcessor has them.
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def view(image: torch.Tensor, size: int, antialias: bool = True) -> torch.Tensor:
    mean, std = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (MEAN, STD))
    resized = F.interpolate(image, (size, size), mode="bicubic", align_corners=False, antialias=antialias)
    return (resized / 2 + 0.5 - mean) / std


def write() -> None:
    cases = []
    # The ratio of 512 to 224, a whole one, enlarging, and what is no square.
    for height, width, size in [(16, 16, 7), (8, 8, 4), (5, 5, 7), (9, 12, 5)]:
        name = f"{height} by {width} to {size}"
        image = formula.parameter(name, [1, 3, height, width], RULES).double().requires_grad_()
        upstream = formula.parameter(f"{name} upstream", [1, 3, size, size], RULES).double()
        output = view(image, size)
        (output * upstream).sum().backward()
        print(f"{name}: without antialiasing {(view(image, size, antialias=False) - output).abs().max().item():.1e} elsewhere")
        cases.append(({"name": name, "height": height, "width": width, "size": size}, {"output": output.float(), "gradient": image.grad.float()}))
    store.write_cases("clip-view", cases, rules=RULES, norm={"mean": MEAN, "std": STD})
