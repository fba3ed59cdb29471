"""A LoRA on UNet and text encoder under three kinds of names, and pictures with it as diffusers draws them in an LCM's steps."""

import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, LCMScheduler, StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from . import checkpoints, store
from .pipelines import PROMPT, run_diffusers

FOLDER = "lora"
SCALE = 0.7
CASE = {"prompt": PROMPT, "negative": None, "seed": 5, "guidance": 1.0, "height": 64, "width": 64}
# Linear and convolution, of both sizes; one layer has an alpha of its own.
UNET = LoraConfig(
    r=2, lora_alpha=3, alpha_pattern={"attn2.to_out.0": 5}, init_lora_weights=False,
    target_modules=["attn1.to_q", "attn2.to_out.0", "proj_in", "down_blocks.0.downsamplers.0.conv", "mid_block.resnets.0.time_emb_proj"],
)
TEXT = LoraConfig(r=3, lora_alpha=3, init_lora_weights=False, target_modules=["q_proj", "layers.0.mlp.fc1"])


def under(pipeline, scheduler) -> StableDiffusionPipeline:
    out = StableDiffusionPipeline(**{**pipeline.components, "scheduler": scheduler}, requires_safety_checker=False)
    out.set_progress_bar_config(disable=True)
    return out


def adapted():
    """The tiny pipeline with adapters of which no half is zero."""
    pipeline = checkpoints.load("sd15-tiny")
    torch.manual_seed(11)
    pipeline.unet.add_adapter(UNET)
    pipeline.text_encoder.add_adapter(TEXT)
    for module in (pipeline.unet, pipeline.text_encoder):
        # A path of the machine that this runs on.
        module.peft_config["default"].base_model_name_or_path = None
    return pipeline


def write_today(pipeline) -> dict[str, torch.Tensor]:
    """As diffusers saves it now: PEFT's names, and alpha in the header."""
    parts = {"unet": pipeline.unet, "text_encoder": pipeline.text_encoder}
    layers = {f"{name}_lora_layers": get_peft_model_state_dict(module) for name, module in parts.items()}
    with tempfile.TemporaryDirectory() as folder:
        StableDiffusionPipeline.save_lora_weights(folder, **layers, **_collate_lora_metadata(parts))
        shutil.copy(Path(folder) / "pytorch_lora_weights.safetensors", store.path(f"{FOLDER}/pytorch_lora_weights.safetensors"))
    return load_file(store.path(f"{FOLDER}/pytorch_lora_weights.safetensors"))


def alpha_of(name: str) -> float:
    if name.startswith("text_encoder"):
        return TEXT.lora_alpha
    return 5 if "attn2.to_out.0" in name else UNET.lora_alpha


def kohya_name(name: str) -> str:
    return name.split(".lora_")[0].replace("text_encoder.", "lora_te_text_model_").replace("unet.", "lora_unet_").replace(".", "_")


def write_kohya(today: dict[str, torch.Tensor]) -> None:
    """A tensor of alpha for each layer. diffusers' own conversion has SDXL's name of the text encoder, and alpha is always the rank."""
    kohya = {}
    for name, tensor in today.items():
        kohya[f"{kohya_name(name)}.{'lora_down' if '.lora_A.' in name else 'lora_up'}.weight"] = tensor
        kohya[f"{kohya_name(name)}.alpha"] = torch.tensor(float(alpha_of(name)))
    save_file(kohya, store.path(f"{FOLDER}/kohya.safetensors"))


def check_kohya(fused) -> None:
    """diffusers 0.42.1 with transformers 5.23 drops alpha of attention and the text encoder of such files, so it is merged by hand here."""
    file, plain = load_file(store.path(f"{FOLDER}/kohya.safetensors")), checkpoints.load("sd15-tiny")
    count = 0
    for part in ("unet", "text_encoder"):
        weights = getattr(plain, part).state_dict()
        for name, wanted in getattr(fused, part).state_dict().items():
            module = kohya_name(f"{part}.{name.removesuffix('.weight')}")
            if f"{module}.alpha" not in file:
                continue
            up, down = file[f"{module}.lora_up.weight"], file[f"{module}.lora_down.weight"]
            change = (up.flatten(1) @ down.flatten(1)).reshape(wanted.shape) * file[f"{module}.alpha"] / len(down)
            torch.testing.assert_close(weights[name] + SCALE * change, wanted)
            count += 1
    if count * 3 != len(file):
        raise ValueError(f"kohya: {count} layers were found, and there are {len(file)} tensors")


def write_before(today: dict[str, torch.Tensor]) -> None:
    """As diffusers saved attention processors in 2023: without an alpha, which is in B here."""
    before = {}
    for name, tensor in today.items():
        module, half = name.replace(".weight", "").split(".lora_")
        if half == "B":
            rank = tensor.shape[1]
            tensor = tensor * alpha_of(name) / rank
        way = {"A": "down", "B": "up"}[half]
        if name.startswith("text_encoder"):
            before[f"{module.replace('text_encoder.', 'text_encoder.text_model.')}.lora_linear_layer.{way}.weight"] = tensor
        elif ".attn" in module:
            attention, projection = module.split(".to_")
            before[f"{attention}.processor.to_{projection.split('.')[0]}_lora.{way}.weight"] = tensor
        else:
            before[f"{module}.lora.{way}.weight"] = tensor
    save_file(before, store.path(f"{FOLDER}/before.safetensors"))


def fused(file: str):
    pipeline = checkpoints.load("sd15-tiny")
    pipeline.load_lora_weights(store.path(f"{FOLDER}/{file}"))
    pipeline.fuse_lora(lora_scale=SCALE)
    pipeline.unload_lora_weights()
    return pipeline


def drawn(pipeline, steps: int, scheduler=LCMScheduler, **options) -> dict[str, torch.Tensor]:
    return run_diffusers(under(pipeline, scheduler.from_config(pipeline.scheduler.config, **options)), {**CASE, "steps": steps})


def apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return ((a["latents"] - b["latents"]).norm() / b["latents"].norm()).item()


def write() -> None:
    today = write_today(adapted())
    write_kohya(today)
    write_before(today)
    plain, with_lora = checkpoints.load("sd15-tiny"), fused("pytorch_lora_weights.safetensors")
    check_kohya(with_lora)
    with torch.no_grad():
        lora = drawn(with_lora, 4)
        off, change = apart(drawn(fused("before.safetensors"), 4), lora), apart(drawn(plain, 4), lora)
        print(f"old names are off by {off:.1e}; without the LoRA latents change by {change:.2f}")
        if off > 1e-6 or change < 0.1:
            raise ValueError("the old names differ, or the LoRA changes little")
        solver = {"timestep_spacing": "trailing", "final_sigmas_type": "zero"}
        cases = [
            ({"name": "lcm with LoRA", "sampler": "lcm", "steps": 4, "scale": SCALE, **CASE}, lora),
            ({"name": "lcm", "sampler": "lcm", "steps": 3, **CASE}, drawn(plain, 3)),
            ({"name": "dpm-solver", "sampler": "dpm-solver", "steps": 5, **CASE}, drawn(plain, 5, DPMSolverMultistepScheduler, **solver)),
        ]
    store.write_cases("pipeline/samplers", cases)
