"""Training runs: a small UNet with time, self-attention and cross-attention, trained by AdamW with clipping, a schedule and an average."""

import torch
import torch.nn.functional as F
from diffusers.optimization import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch import nn

from . import store
from .weights import randomise

WIDTH, WIDE, CHANNELS, CONTEXT, GROUPS, HEADS = 8, 16, 4, 12, 4, 2
STEPS, BATCHES, RANK, ALPHA = 20, 3, 4, 8


class Resnet(nn.Module):
    def __init__(self, width: int, out: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, width)
        self.conv1 = nn.Conv2d(width, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(WIDTH, out)
        self.norm2 = nn.GroupNorm(GROUPS, out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(width, out, 1) if width != out else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(time))[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    def __init__(self, width: int, context: int):
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out[0](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2))


class Transformer(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, CONTEXT)

    def forward(self, x, context):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        tokens = tokens + self.attn1(self.norm1(tokens))
        tokens = tokens + self.attn2(self.norm2(tokens), context)
        return x + tokens.transpose(1, 2).unflatten(-1, x.shape[2:])


class SmallUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(CHANNELS, WIDTH, 3, padding=1)
        self.down = Resnet(WIDTH, WIDTH)
        self.downsample = nn.Conv2d(WIDTH, WIDE, 3, stride=2, padding=1)
        self.mid = Resnet(WIDE, WIDE)
        self.transformer = Transformer(WIDE)
        self.up = Resnet(WIDE + WIDTH, WIDTH)
        self.conv_norm_out = nn.GroupNorm(GROUPS, WIDTH)
        self.conv_out = nn.Conv2d(WIDTH, CHANNELS, 3, padding=1)

    def forward(self, x, time, context):
        skip = self.down(self.conv_in(x), time)
        h = self.transformer(self.mid(self.downsample(skip), time), context)
        h = self.up(torch.cat([F.interpolate(h, scale_factor=2.0), skip], 1), time)
        return self.conv_out(F.silu(self.conv_norm_out(h)))


class Adapted(nn.Module):
    """A frozen layer and its low-rank addition, with PEFT's names for the latter."""

    def __init__(self, base: nn.Module, generator: torch.Generator):
        super().__init__()
        self.base = base
        out, width, *window = base.weight.shape
        if window:
            self.lora_A = nn.Conv2d(width, RANK, window, stride=base.stride, padding=base.padding, bias=False)
            self.lora_B = nn.Conv2d(RANK, out, 1, bias=False)
        else:
            self.lora_A, self.lora_B = nn.Linear(width, RANK, bias=False), nn.Linear(RANK, out, bias=False)
        bound = self.lora_A.weight[0].numel() ** -0.5
        with torch.no_grad():
            self.lora_A.weight.copy_((torch.rand(self.lora_A.weight.shape, generator=generator) * 2 - 1) * bound)
            self.lora_B.weight.zero_()

    def forward(self, x):
        return self.base(x) + self.lora_B(self.lora_A(x)) * (ALPHA / RANK)


def adapt(model: nn.Module, names: list[str]) -> None:
    generator = torch.Generator().manual_seed(9200)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, Adapted(model.get_submodule(name), generator))


def train(model: nn.Module, batches: list[dict], settings: dict) -> tuple[dict, dict]:
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    start = {name: p.detach().clone() for name, p in trained.items()}
    optimizer = torch.optim.AdamW(trained.values(), lr=settings["lr"], weight_decay=settings["weightDecay"])
    schedule = get_cosine_schedule_with_warmup(optimizer, settings["warmup"], STEPS)
    average = EMAModel(trained.values(), decay=settings["decay"])
    log = {"losses": [], "norms": [], "rates": []}
    for step in range(STEPS):
        batch = batches[step % BATCHES]
        loss = F.mse_loss(model(batch["x"], batch["time"], batch["context"]), batch["target"])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trained.values(), settings["maxNorm"])
        log["losses"].append(loss.item())
        log["norms"].append(norm.item())
        log["rates"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        average.step(trained.values())
    assert any(n > settings["maxNorm"] for n in log["norms"]) and any(n < settings["maxNorm"] for n in log["norms"]), log["norms"]
    tensors = {f"start.{name}": p for name, p in start.items()}
    tensors |= {f"end.{name}": p.detach().clone() for name, p in trained.items()}
    tensors |= {f"average.{name}": p for name, p in zip(trained, average.shadow_params, strict=True)}
    return log, tensors


OPTIMISERS = [
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "momentum": 0.9}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weightDecay": 0.05}),
    ("sgd", {"lr": 0.05, "momentum": 0.7, "dampening": 0.4}),
    ("adam", {"lr": 0.01}),
    ("adam", {"lr": 0.01, "weightDecay": 0.1, "betas": [0.8, 0.95]}),
    ("adamw", {"lr": 0.01}),
    ("adamw", {"lr": 0.02, "weightDecay": 0.3, "eps": 1e-3, "betas": [0.5, 0.9]}),
]


def write_steps() -> None:
    """Parameters after each of six steps with given gradients, in f64; rates and decays as lists."""
    generator = torch.Generator().manual_seed(9300)
    shapes = {"first": (3, 4), "second": (5,)}
    tensors = {}
    for part in ("start", *(f"gradient.{step}" for step in range(6))):
        for name, shape in shapes.items():
            tensors[f"{part}.{name}"] = torch.randn(shape, generator=generator, dtype=torch.float64)
    cases = []
    for i, (name, options) in enumerate(OPTIMISERS):
        params = {key: tensors[f"start.{key}"].clone().requires_grad_() for key in shapes}
        make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
        optimizer = make(params.values(), **{"weight_decay" if key == "weightDecay" else key: value for key, value in options.items()})
        for step in range(6):
            for key, parameter in params.items():
                parameter.grad = tensors[f"gradient.{step}.{key}"].clone()
            optimizer.step()
            for key, parameter in params.items():
                tensors[f"after.{i}.{step}.{key}"] = parameter.detach().clone()
        cases.append({"optimizer": name, "options": options})

    def rates(schedule, *arguments) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        scheduler = schedule(optimizer, *arguments)
        found = []
        for _ in range(14):
            found.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        return found

    averages = {
        "rational": EMAModel([torch.zeros(1)], decay=0.5, min_decay=0.2),
        "power": EMAModel([torch.zeros(1)], decay=0.9, use_ema_warmup=True, inv_gamma=2.0, power=0.75),
        "after": EMAModel([torch.zeros(1)], decay=0.999, update_after_step=3),
    }
    store.write_tensors("training-steps", tensors)
    store.write_json("training-steps", {
        "cases": cases,
        "rates": {"cosine": rates(get_cosine_schedule_with_warmup, 3, 11), "linear": rates(get_linear_schedule_with_warmup, 3, 11)},
        "decays": {name: [average.get_decay(step) for step in range(1, 13)] for name, average in averages.items()},
    })


def write() -> None:
    write_steps()
    generator = torch.Generator().manual_seed(9100)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    sizes = {"x": (2, CHANNELS, 8, 8), "target": (2, CHANNELS, 8, 8), "time": (2, WIDTH), "context": (2, 5, CONTEXT)}
    batches = [{name: normal(*shape) for name, shape in sizes.items()} for _ in range(BATCHES)]
    model = SmallUNet()
    randomise(model, 9101)
    whole = {"name": "all parameters", "lr": 2e-3, "weightDecay": 0.01, "warmup": 4, "decay": 0.9, "maxNorm": 2.0}
    lora = {**whole, "name": "adapters", "lr": 1e-2, "maxNorm": 0.35, "rank": RANK, "alpha": ALPHA}
    lora["layers"] = [f"transformer.attn{i}.{part}" for i in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out.0")]
    lora["layers"] += ["downsample", "mid.conv1", "up.conv_shortcut"]

    cases = []
    log, tensors = train(model, batches, whole)
    inputs = {f"batch.{i}.{name}": value for i, batch in enumerate(batches) for name, value in batch.items()}
    cases.append(({**whole, **log}, {**tensors, **inputs}))
    randomise(model, 9101)
    adapt(model, lora["layers"])
    log, tensors = train(model, batches, lora)
    cases.append(({**lora, **log}, tensors))
    store.write_cases("training", cases, steps=STEPS, batches=BATCHES, width=WIDTH, wide=WIDE, channels=CHANNELS, context=CONTEXT, groups=GROUPS, heads=HEADS)
