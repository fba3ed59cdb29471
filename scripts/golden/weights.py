"""Random weights under which every parameter matters."""

import torch
from torch import nn


# Residual streams are kept small, as in trained models, so that the eps of the norms that read them counts.
STREAM = 0.06
# Layers that turn values of size one into the stream, and layers that lie on the stream: those scale their bias only.
WRITERS = ("conv_in", ".conv2", ".proj_in", ".to_out.0", ".ff.net.2", ".out_proj", ".fc2")
CARRIERS = (".proj_out", ".conv_shortcut", "samplers.0.conv")


def randomise(model: nn.Module, seed: int) -> None:
    """Norms get scales and shifts that are not 1 and 0, every bias is non-zero, and queries and keys are large enough for
    attention to have peaks: under default initialisation a missing bias, affine part or whole attention would hide in the tolerance."""
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter: torch.Tensor, scale: float, mean: float = 0.0) -> None:
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + mean)

    with torch.no_grad():
        for name, module in model.named_modules():
            for key, parameter in module.named_parameters(recurse=False):
                if isinstance(module, nn.GroupNorm | nn.LayerNorm):
                    normal(parameter, 0.2, 1.0 if key == "weight" else 0.0)
                elif isinstance(module, nn.Embedding):
                    normal(parameter, STREAM / 2)
                elif key == "bias":
                    normal(parameter, 0.1 * (STREAM if name.endswith(WRITERS + CARRIERS) else 1.0))
                else:
                    peaked = name.endswith((".to_q", ".to_k", ".q_proj", ".k_proj"))
                    gain = STREAM if name.endswith(WRITERS) else 1.6 if peaked else 1.0
                    normal(parameter, gain / parameter[0].numel() ** 0.5)
