"""Writes a pipeline of Stable Diffusion 1.5's size with random f16 weights, as diffusers saves one: 2.1 GB.

    pip install -r scripts/requirements.txt
    python bench/real-size/write_pipeline.py FOLDER

The weights are those of the tiny checkpoints in test/golden, scaled so that activations stay finite and every parameter matters.
The tokenizer is the small one of test/golden/sd15-tiny; its ids lie within the text encoder's vocabulary of 49408.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from golden.weights import randomise
from transformers import CLIPTextConfig, CLIPTextModel

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def text_encoder() -> CLIPTextModel:
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, projection_dim=768,
        max_position_embeddings=77, hidden_act="quick_gelu", bos_token_id=0, eos_token_id=2, pad_token_id=1,
    ))


def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=64, block_out_channels=[320, 640, 1280, 1280], layers_per_block=2, attention_head_dim=8, cross_attention_dim=768,
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    )


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=[128, 256, 512, 512], layers_per_block=2, latent_channels=4, sample_size=512,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, make) in enumerate([("text_encoder", text_encoder), ("unet", unet), ("vae", vae)], start=1):
        started = time.perf_counter()
        model = make()
        randomise(model, seed)
        model.to(torch.float16).save_pretrained(folder / name)
        count = sum(p.numel() for p in model.parameters())
        print(f"{name}: {count / 1e6:.1f} M parameters in {time.perf_counter() - started:.0f} s", flush=True)
    PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, skip_prk_steps=True, steps_offset=1,
        set_alpha_to_one=False,
    ).save_pretrained(folder / "scheduler")
    shutil.copytree(ROOT / "test/golden/sd15-tiny/tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")


if __name__ == "__main__":
    main()
