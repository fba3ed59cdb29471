"""Steps of SNOOPI's distillation, written out in PyTorch: a student, a LoRA teacher on a frozen teacher, every random draw given.

Computed in f64 from numbers that f32 holds, so that what a reader in f32 differs by is its own.
"""

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import nn

from . import store
from .nasa import Nasa, installed

CONFIG = {
    "attention_head_dim": 2, "block_out_channels": [4, 4], "cross_attention_dim": 6, "in_channels": 4, "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1, "norm_num_groups": 2, "sample_size": 4,
}
BATCH, STEPS, RANK, ALPHA, SIDE = 2, 3, 2, 4, 4
STUDENT = {"lr": 1e-3, "weightDecay": 0.01, "decay": 0.9999}
LORA = {"lr": 1e-2, "weightDecay": 0.0}
MAX_NORM = 1.0
TARGETS = (".to_q", ".to_v")


def network(seed: int) -> UNet2DConditionModel:
    """With PyTorch's own initial weights: under those of the tiny checkpoints some norms divide by next to nothing."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(**CONFIG)


class Adapted(nn.Module):
    """A frozen linear layer and its low-rank addition, which is on or off."""

    on = False

    def __init__(self, base: nn.Linear, generator: torch.Generator):
        super().__init__()
        self.base = base
        self.lora_A = nn.Linear(base.in_features, RANK, bias=False)
        self.lora_B = nn.Linear(RANK, base.out_features, bias=False)
        with torch.no_grad():
            # A LoRA teacher that has learned: with B = 0 the student would stand still.
            for layer in (self.lora_A, self.lora_B):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * layer.weight.shape[1] ** -0.5)

    def forward(self, x):
        y = self.base(x)
        return y + self.lora_B(self.lora_A(x)) * (ALPHA / RANK) if Adapted.on else y


def adapted(model: nn.Module) -> dict[str, nn.Parameter]:
    """Puts adapters into the model → their parameters, by PEFT's names."""
    generator = torch.Generator().manual_seed(9400)
    found = {}
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in [name for name, _ in model.named_modules() if name.endswith(TARGETS)]:
        parent, _, child = name.rpartition(".")
        layer = Adapted(model.get_submodule(name), generator)
        setattr(model.get_submodule(parent), child, layer)
        found[f"{name}.lora_A.weight"], found[f"{name}.lora_B.weight"] = layer.lora_A.weight, layer.lora_B.weight
    return found


def levels() -> tuple[torch.Tensor, torch.Tensor]:
    """α and σ of Stable Diffusion's thousand timesteps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    cumulative = (1 - betas).cumprod(0)
    return cumulative.sqrt(), (1 - cumulative).sqrt()


ALPHAS, SIGMAS = levels()


def at(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return ALPHAS[t].reshape(-1, 1, 1, 1), SIGMAS[t].reshape(-1, 1, 1, 1)


def noised(x0: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    alpha, sigma = at(t)
    return alpha * x0 + sigma * noise


def made_by(student, noises: list[torch.Tensor], steps: list[int], text: torch.Tensor) -> torch.Tensor:
    """x₀ of the student's last step; those before are simulated, each from the noised picture of the one before."""
    x = noises[0]
    for i in range(len(noises)):
        t = torch.full((BATCH,), steps[i])
        alpha, sigma = at(t)
        last = i == len(noises) - 1
        with torch.set_grad_enabled(last):
            x0 = (x - sigma * student(x, t, text).sample) / alpha
        if not last:
            x = noised(x0, noises[i + 1], torch.full((BATCH,), steps[i + 1]))
    return x0


def cotangent(teacher, x0, draw: dict, tensors: dict, texts: dict, negative: bool) -> torch.Tensor:
    t = torch.tensor(draw["timesteps"])
    xt = noised(x0, tensors["noise"], t)

    def guided(on: bool, kappa: list[float], away: torch.Tensor) -> torch.Tensor:
        Adapted.on = on
        k = torch.tensor(kappa, dtype=torch.float64).reshape(-1, 1, 1, 1)
        scores = [teacher(xt, t, text.expand(BATCH, -1, -1)).sample for text in (away, texts["text"])]
        return (1 - k) * scores[0] + k * scores[1]

    with torch.no_grad():
        psi = guided(False, draw["teacherKappa"], texts["negative"] if negative else texts["null"])
        pi = guided(True, draw["loraKappa"], texts["null"])
        return at(t)[1] ** 2 * (psi - pi)


class Moved:
    """Parameters, AdamW, and the average if there is one."""

    def __init__(self, parameters: dict[str, nn.Parameter], settings: dict):
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(parameters.values(), lr=settings["lr"], weight_decay=settings["weightDecay"])
        self.average = EMAModel(parameters.values(), decay=settings["decay"]) if "decay" in settings else None

    def step(self, loss: torch.Tensor) -> dict:
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), MAX_NORM)
        self.optimizer.step()
        if self.average:
            self.average.step(self.parameters.values())
        return {"loss": loss.item(), "norm": norm.item()}


def draws(case: dict, generator: torch.Generator) -> tuple[list[dict], dict[str, torch.Tensor]]:
    """What every step of a case draws: numbers, and noises by name."""
    def normal() -> torch.Tensor:
        return torch.randn((BATCH, 4, SIDE, SIDE), generator=generator)

    def uniform(low: float, high: float) -> list[float]:
        return (torch.rand(BATCH, generator=generator) * (high - low) + low).tolist()

    def timesteps(low: int, high: int) -> list[int]:
        return torch.randint(low, high, (BATCH,), generator=generator).tolist()

    numbers, noises = [], {}
    for n in range(STEPS):
        kappa = uniform(0.5, 4.0)
        draw = {
            "latents": n % len(case["timesteps"]) + 1, "timesteps": timesteps(20, 981), "teacherKappa": kappa,
            "loraKappa": uniform(0.5, 4.0) if case["independent"] else kappa,
            "lora": [{"timesteps": timesteps(0, 1000), "nullText": (n + i) % 3 == 2} for i in range(case["loraSteps"])],
        }
        if case["negative"]:
            draw["nasaScale"] = uniform(0.0, 1.0)
        for i in range(draw["latents"]):
            noises[f"{n}.latents.{i}"] = normal()
        noises[f"{n}.noise"] = normal()
        for i in range(case["loraSteps"]):
            noises[f"{n}.lora.{i}.noise"] = normal()
        numbers.append(draw)
    return numbers, noises


def end_to_end(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
    """In the order of the names: two thousand tensors by name would be a file of names."""
    return torch.cat([parameters[name].detach().float().flatten() for name in sorted(parameters)])


def run(case: dict, texts: dict, seed: int) -> tuple[dict, dict]:
    steps, tensors = draws(case, torch.Generator().manual_seed(seed))
    student, teacher = network(9402), network(9401)
    theta, pi = Moved(dict(student.named_parameters()), STUDENT), Moved(adapted(teacher), LORA)
    for model in (student, teacher):
        model.double()
    tensors, texts = ({name: value.double() for name, value in found.items()} for found in (tensors, texts))
    log = []
    for n, draw in enumerate(steps):
        own = {name.removeprefix(f"{n}."): value for name, value in tensors.items() if name.startswith(f"{n}.")}
        noises = [own[f"latents.{i}"] for i in range(draw["latents"])]
        if case["negative"]:
            with installed(student, Nasa(texts["negative"], torch.tensor(draw["nasaScale"], dtype=torch.float64))):
                x0 = made_by(student, noises, case["timesteps"], texts["text"])
        else:
            x0 = made_by(student, noises, case["timesteps"], texts["text"])
        g = cotangent(teacher, x0.detach(), draw, own, texts, case["negative"])
        came = {"student": theta.step(0.5 * F.mse_loss(x0, (x0 - g).detach())), "lora": []}
        for i, learned in enumerate(draw["lora"]):
            t, noise = torch.tensor(learned["timesteps"]), own[f"lora.{i}.noise"]
            text = texts["null"].expand(BATCH, -1, -1) if learned["nullText"] else texts["text"]
            Adapted.on = True
            predicted = teacher(noised(x0.detach(), noise, t), t, text).sample
            alpha, _ = at(t)
            came["lora"].append(pi.step(F.mse_loss(alpha * predicted, alpha * noise)))
        log.append(came)
    averages = dict(zip(theta.parameters, theta.average.shadow_params, strict=True))
    ends = {"student": end_to_end(theta.parameters), "lora": end_to_end(pi.parameters), "average": end_to_end(averages)}
    assert any(came["student"]["norm"] > MAX_NORM for came in log)
    return {**case, "steps": [{**draw, "after": came} for draw, came in zip(steps, log, strict=True)]}, {**{name: value.float() for name, value in tensors.items()}, **ends}


def write() -> None:
    generator = torch.Generator().manual_seed(9403)
    sizes = {"text": (BATCH, 3, 6), "null": (1, 3, 6), "negative": (1, 5, 6)}
    texts = {name: torch.randn(size, generator=generator) for name, size in sizes.items()}
    usual = {"timesteps": [999], "loraSteps": 1, "independent": False, "negative": False}
    cases = [
        {"name": "PG-SB", **usual},
        {"name": "PG-SB, two updates, independent", **usual, "loraSteps": 2, "independent": True},
        {"name": "NASA-T", **usual, "negative": True},
        {"name": "two steps", **usual, "timesteps": [999, 499]},
    ]
    teacher = network(9401)
    start = {f"text.{name}": value for name, value in texts.items()}
    start |= {f"teacher.{name}": p.clone() for name, p in teacher.named_parameters()}
    start |= {f"student.{name}": p for name, p in network(9402).named_parameters()}
    start |= {f"lora.{name}": p for name, p in adapted(teacher).items()}
    written = [({"name": "start"}, start)] + [run(case, texts, 9410 + i) for i, case in enumerate(cases)]
    settings = {"config": {"_class_name": "UNet2DConditionModel", **CONFIG}, "student": STUDENT, "lora": {**LORA, "rank": RANK, "alpha": ALPHA}}
    store.write_cases("distill", written, maxNorm=MAX_NORM, **settings)
