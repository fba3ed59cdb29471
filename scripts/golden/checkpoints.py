"""The tiny pipelines: the shapes of Stable Diffusion 1.5 and 2.1 and a third of the same family, in other sizes."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from . import store, tokenizers
from .weights import randomise

VARIANT = {"sd15-tiny": None, "sd21-tiny": "fp16", "third-tiny": None}
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def text_encoder(seed: int, vocab: int, **config) -> CLIPTextModel:
    model = CLIPTextModel(CLIPTextConfig(vocab_size=vocab, bos_token_id=0, **config))
    randomise(model, seed)
    return model


def unet(seed: int, **config) -> UNet2DConditionModel:
    model = UNet2DConditionModel(**config)
    randomise(model, seed)
    return model


def vae(seed: int, channels: list[int], **config) -> AutoencoderKL:
    n = len(channels)
    model = AutoencoderKL(
        block_out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * n,
        up_block_types=["UpDecoderBlock2D"] * n,
        latent_channels=4,
        **config,
    )
    randomise(model, seed)
    return model


def save(name: str, parts: dict, **options) -> Path:
    folder = store.ROOT / name
    pipeline = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    tokenizer_files = {p.name: p.read_bytes() for p in (folder / "tokenizer").iterdir()}
    pipeline.save_pretrained(folder, **options)
    # The pipeline wrote the tokenizer in today's form: put back the form this checkpoint is meant to have.
    shutil.rmtree(folder / "tokenizer")
    (folder / "tokenizer").mkdir()
    for file, content in tokenizer_files.items():
        (folder / "tokenizer" / file).write_bytes(content)
    return folder


def keep_keys(file: Path, keys: set[str]) -> None:
    """Published configs lack the keys that were added later; a reader must know the defaults."""
    config = json.loads(file.read_text())
    missing = keys - config.keys()
    if missing:
        raise ValueError(f"{file}: no {sorted(missing)}")
    kept = {key: value for key, value in config.items() if key in keys or key in ("_class_name", "_diffusers_version")}
    file.write_text(json.dumps(kept, indent=2) + "\n")


def strip_local_path(folder: Path) -> None:
    """The libraries note where a model was loaded from; that is a path of this machine."""
    for file in folder.rglob("*.json"):
        config = json.loads(file.read_text())
        if isinstance(config, dict) and config.pop("_name_or_path", None) is not None:
            file.write_text(json.dumps(config, indent=2) + "\n")


def rewrite(file: Path, change) -> None:
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def check(name: str, parts: dict) -> None:
    """What diffusers reads back is what was made: no key was dropped, renamed wrongly or initialised afresh."""
    loaded = load(name)
    for part in ("text_encoder", "unet", "vae"):
        made, read = parts[part].state_dict(), getattr(loaded, part).state_dict()
        if made.keys() != read.keys() or not all(torch.equal(made[key].float(), read[key]) for key in made):
            raise ValueError(f"{name}: {part} does not load back as it was saved")
        print(f"{name} {part}: {sum(value.numel() for value in read.values())} parameters")


def write_sd15() -> dict:
    name = "sd15-tiny"
    vocab = tokenizers.save(store.ROOT / name / "tokenizer", 320, tokenizers.END, 77, {"vocab"})
    parts = {
        "tokenizer": tokenizers.load(name),
        "text_encoder": text_encoder(
            150, vocab, hidden_size=32, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=77, hidden_act="quick_gelu", eos_token_id=2, pad_token_id=1, projection_dim=32,
        ),
        "unet": unet(
            151, sample_size=8, block_out_channels=[8, 16, 16, 16], layers_per_block=1, attention_head_dim=2,
            cross_attention_dim=32, norm_num_groups=4,
            down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        ),
        "vae": vae(152, [8, 8, 16, 16], layers_per_block=1, norm_num_groups=4, sample_size=64),
        "scheduler": PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False),
    }
    folder = save(name, parts)

    # What the published files look like: the text encoder's prefix and position ids, the VAE's first attention names, short configs.
    def old_text(tensors):
        tensors = {"text_model." + key: value for key, value in tensors.items()}
        tensors["text_model.embeddings.position_ids"] = torch.arange(77, dtype=torch.int64)[None]
        return tensors

    def old_vae(tensors):
        renames = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
        out = {}
        for key, value in tensors.items():
            for new, old in renames.items():
                key = key.replace(new, old)
            out[key] = value
        return out

    rewrite(folder / "text_encoder" / "model.safetensors", old_text)
    rewrite(folder / "vae" / "diffusion_pytorch_model.safetensors", old_vae)
    shared = {"act_fn", "block_out_channels", "down_block_types", "in_channels", "layers_per_block", "norm_num_groups",
              "out_channels", "sample_size", "up_block_types"}
    keep_keys(folder / "unet" / "config.json", shared | {"attention_head_dim", "center_input_sample", "cross_attention_dim",
              "downsample_padding", "flip_sin_to_cos", "freq_shift", "mid_block_scale_factor", "norm_eps"})
    keep_keys(folder / "vae" / "config.json", shared | {"latent_channels"})
    scheduler = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
                 "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True,
                 "steps_offset": 1, "trained_betas": None, "clip_sample": False}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2) + "\n")
    strip_local_path(folder)
    return parts


def write_sd21() -> dict:
    name = "sd21-tiny"
    vocab = tokenizers.save(store.ROOT / name / "tokenizer", 280, "!", 77, {"vocab", "json"})
    model = unet(
        212, sample_size=12, block_out_channels=[8, 16, 24], layers_per_block=2, attention_head_dim=[1, 2, 3],
        cross_attention_dim=40, norm_num_groups=4, use_linear_projection=True, upcast_attention=True,
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    )
    parts = {
        "tokenizer": tokenizers.load(name),
        "text_encoder": text_encoder(
            210, vocab, hidden_size=40, intermediate_size=96, num_hidden_layers=4, num_attention_heads=5,
            max_position_embeddings=77, hidden_act="gelu", eos_token_id=2, pad_token_id=1, projection_dim=24,
        ),
        "unet": model,
        "vae": vae(213, [8, 12, 12, 16], layers_per_block=2, norm_num_groups=4, sample_size=96, scaling_factor=0.18215),
        "scheduler": DDIMScheduler(**BETAS, steps_offset=1, set_alpha_to_one=False, clip_sample=False, prediction_type="v_prediction"),
    }
    for part in ("text_encoder", "unet", "vae"):
        parts[part].to(torch.float16)
    folder = save(name, parts, variant="fp16")
    shutil.rmtree(folder / "unet")
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    model.save_pretrained(folder / "unet", variant="fp16", max_shard_size=int(size / 2.5))
    strip_local_path(folder)
    return parts


def write_third() -> dict:
    name = "third-tiny"
    vocab = tokenizers.save(store.ROOT / name / "tokenizer", 240, tokenizers.END, 64, {"json"})
    parts = {
        "tokenizer": tokenizers.load(name),
        "text_encoder": text_encoder(
            310, vocab, hidden_size=24, intermediate_size=72, num_hidden_layers=2, num_attention_heads=3,
            max_position_embeddings=64, hidden_act="quick_gelu", eos_token_id=vocab - 1, pad_token_id=vocab - 1, projection_dim=24,
        ),
        "unet": unet(
            311, sample_size=10, block_out_channels=[6, 12, 18], layers_per_block=[2, 1, 1], attention_head_dim=[1, 3, 3],
            cross_attention_dim=24, norm_num_groups=3, transformer_layers_per_block=2, use_linear_projection=True,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        ),
        "vae": vae(312, [6, 12, 18], layers_per_block=1, norm_num_groups=3, sample_size=40, scaling_factor=0.13025),
        "scheduler": EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing", steps_offset=1, prediction_type="epsilon"),
    }
    for part in ("text_encoder", "unet", "vae"):
        parts[part].to(torch.bfloat16)
    strip_local_path(save(name, parts))
    return parts


def load(name: str) -> StableDiffusionPipeline:
    """Loads a saved checkpoint as diffusers reads it, in f32."""
    pipeline = StableDiffusionPipeline.from_pretrained(store.ROOT / name, variant=VARIANT[name], torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        part.requires_grad_(False)
        part.eval()
        if next(part.parameters()).dtype != torch.float32:
            raise ValueError(f"{name}: {type(part).__name__} was not loaded in f32")
    return pipeline


def write() -> None:
    for name, make in (("sd15-tiny", write_sd15), ("sd21-tiny", write_sd21), ("third-tiny", write_third)):
        shutil.rmtree(store.ROOT / name, ignore_errors=True)
        check(name, make())
