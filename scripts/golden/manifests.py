"""Every key and shape of the full-size models, built without memory from their published configs."""

import json

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from . import store

CROSS_DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
CROSS_UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
UNET = {
    "act_fn": "silu", "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": False, "down_block_types": CROSS_DOWN,
    "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
    "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "up_block_types": CROSS_UP,
}
TEXT = {"max_position_embeddings": 77, "vocab_size": 49408, "layer_norm_eps": 1e-05, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
CONFIGS = {
    "sd15-unet": (UNet2DConditionModel, {**UNET, "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}),
    "sd21-unet": (UNet2DConditionModel, {
        **UNET, "sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20], "dual_cross_attention": False,
        "only_cross_attention": False, "upcast_attention": True, "use_linear_projection": True,
    }),
    "sd15-text_encoder": (CLIPTextModel, {
        **TEXT, "hidden_act": "quick_gelu", "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
        "num_hidden_layers": 12, "projection_dim": 768,
    }),
    "sd21-text_encoder": (CLIPTextModel, {
        **TEXT, "hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
        "num_hidden_layers": 23, "projection_dim": 512,
    }),
    "sd-vae": (AutoencoderKL, {
        "act_fn": "silu", "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3,
        "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3, "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
    }),
    "taesd-vae": (AutoencoderTiny, {
        "act_fn": "relu", "decoder_block_out_channels": [64] * 4, "encoder_block_out_channels": [64] * 4, "in_channels": 3,
        "latent_channels": 4, "latent_magnitude": 3, "latent_shift": 0.5, "num_decoder_blocks": [3, 3, 3, 1],
        "num_encoder_blocks": [1, 3, 3, 3], "out_channels": 3, "scaling_factor": 1.0, "upsampling_scaling_factor": 2,
    }),
}
# Counted on models built elsewhere from the published config files.
EXPECTED = {"sd15-unet": (686, 859_520_964), "sd21-unet": (686, 865_910_724), "sd-vae": (248, 83_653_863)}


def write() -> None:
    for name, (kind, config) in CONFIGS.items():
        with torch.device("meta"):
            model = kind(CLIPTextConfig(**config)) if kind is CLIPTextModel else kind(**config)
        tensors = {key: list(value.shape) for key, value in sorted(model.state_dict().items())}
        parameters = sum(value.numel() for value in model.state_dict().values())
        if name in EXPECTED and EXPECTED[name] != (len(tensors), parameters):
            raise ValueError(f"{name}: {len(tensors)} tensors, {parameters} parameters; expected {EXPECTED[name]}")
        print(f"{name}: {len(tensors)} tensors, {parameters} parameters")
        head = {"class": kind.__name__, "parameters": parameters, "config": config}
        lines = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in tensors.items())
        store.path(f"manifest/{name}.json").write_text("{\n" + lines + ' "tensors": {\n' + rows + "\n }\n}\n")
