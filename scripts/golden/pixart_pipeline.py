"""Pictures of a small PixArt through diffusers' PixArtAlphaPipeline, with weights from a formula; NASA in one step by an own pass."""

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from . import formula, store
from .pipelines import decode, initial_noise
from .pixart import Nasa

NORMS = ("norm1.weight", "norm2.weight", "norm_out.weight", "group_norm.weight", "layer_norm.weight")
RULES = [
    *({"suffix": suffix, "center": 1.0, "spread": 0.3} for suffix in NORMS),
    {"suffix": ".weight", "center": 0.0, "spread": 1.7, "fanIn": True},
    {"suffix": ".bias", "center": 0.0, "spread": 0.2},
    {"suffix": "scale_shift_table", "center": 0.2, "spread": 0.5},
]
TEXT_ENCODER = {
    "model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "feed_forward_proj": "gated-gelu",
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20,
}
TRANSFORMER = {
    "num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 2, "cross_attention_dim": 24, "caption_channels": 16,
    "sample_size": 8, "norm_type": "ada_norm_single", "norm_elementwise_affine": False, "activation_fn": "gelu-approximate",
    "attention_bias": True,
}
VAE = {
    "block_out_channels": [8, 8], "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2,
    "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4, "sample_size": 16,
}
# As PixArt's folders have it.
SCHEDULER = {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "num_train_timesteps": 1000, "solver_order": 2}
# PixArt's pipeline lowers the text and strips it.
PROMPT = "  A photo of a Cat sitting on a red chair"
NEGATIVE = "blurry"
SQUARE, WIDE = {"height": 16, "width": 16}, {"height": 8, "width": 24}
CASES = [
    {"name": "DDIM 3, the usual guidance", "steps": 3, "guidance": 4.5, "negative": None, "seed": 0, **SQUARE},
    {"name": "DDIM 3, a negative, another size", "steps": 3, "guidance": 3.0, "negative": NEGATIVE, "seed": 2, **WIDE},
    {"name": "one step from 400", "steps": 1, "guidance": 1.0, "negative": None, "timestep": 400, "seed": 1, **SQUARE},
    {"name": "one step, NASA", "steps": 1, "guidance": 1.0, "negative": NEGATIVE, "nasaScale": 0.5, "seed": 3, **SQUARE},
]


def filled(model: torch.nn.Module) -> torch.nn.Module:
    shapes = {name: list(value.shape) for name, value in model.named_parameters()}
    model.load_state_dict(formula.state(shapes, RULES), strict=False)
    return model.eval()


def pipeline(scheduler) -> PixArtAlphaPipeline:
    tokenizer = T5Tokenizer.from_pretrained(store.ROOT / "t5-tokenizer" / "json")
    out = PixArtAlphaPipeline(
        tokenizer=tokenizer,
        text_encoder=filled(T5EncoderModel(T5Config(vocab_size=len(tokenizer), **{k: v for k, v in TEXT_ENCODER.items() if k != "model_type"}))),
        vae=filled(AutoencoderKL(**VAE)),
        transformer=filled(PixArtTransformer2DModel(**TRANSFORMER)),
        scheduler=scheduler,
    )
    out.set_progress_bar_config(disable=True)
    return out


def ddim() -> DDIMScheduler:
    # The clipping that DDIM brings is for pixels.
    return DDIMScheduler.from_config(DPMSolverMultistepScheduler(**SCHEDULER).config, clip_sample=False)


def run(case: dict, noise: torch.Tensor) -> dict[str, torch.Tensor]:
    one = case["steps"] == 1
    # diffusers takes x0 of one step from DDPM, as PixArt's one-step release does.
    model = pipeline(DDPMScheduler(**{k: v for k, v in SCHEDULER.items() if k != "solver_order"}, clip_sample=False) if one else ddim())

    def call(output_type: str):
        return model(
            PROMPT, negative_prompt=case["negative"] or "", height=case["height"], width=case["width"], latents=noise,
            guidance_scale=case["guidance"], output_type=output_type, clean_caption=False, use_resolution_binning=False,
            **({"timesteps": [case.get("timestep", 999)]} if one else {"num_inference_steps": case["steps"]}),
            generator=torch.Generator("cpu").manual_seed(case["seed"]),
        ).images

    if case.get("nasaScale"):
        away, mask, *_ = model.encode_prompt(case["negative"].lower().strip(), do_classifier_free_guidance=False)
        bias = (1 - mask.float())[:, None] * -10000.0
        processor = Nasa(model.transformer.caption_projection(away), bias, case["nasaScale"])
        net = model.transformer
        net.set_attn_processor({key: processor if ".attn2." in key else value for key, value in net.attn_processors.items()})
    latents = call("latent")
    return {"latents": latents, "image": decode(model, latents)}


def write() -> None:
    cases = []
    for case in CASES:
        with torch.no_grad():
            noise = initial_noise(pipeline(ddim()), case["seed"], case["height"], case["width"])
            results = run(case, noise)
            near = run(case, noise + torch.randn(noise.shape, generator=torch.Generator().manual_seed(99)) * 1e-6)
        change = (near["latents"] - results["latents"]).norm() / results["latents"].norm()
        spread = results["image"].float().std().item()
        if spread <= 10:
            raise ValueError(f"{case['name']}: the picture is flat (standard deviation {spread})")
        print(f"pixart {case['name']}: picture std {spread:.1f}, latents std {results['latents'].std():.2f}; noise off by 1e-6: latents off by {change:.2g}")
        cases.append(({**case, "prompt": PROMPT}, results))
    vocab = pipeline(ddim()).text_encoder.config.vocab_size
    configs = {
        "text_encoder": {"architectures": ["T5EncoderModel"], "vocab_size": vocab, **TEXT_ENCODER},
        "transformer": {"_class_name": "PixArtTransformer2DModel", **TRANSFORMER},
        "vae": {"_class_name": "AutoencoderKL", **VAE},
        "scheduler": {"_class_name": "DPMSolverMultistepScheduler", **SCHEDULER},
    }
    store.write_cases("pipeline/pixart", cases, rules=RULES, configs=configs)
