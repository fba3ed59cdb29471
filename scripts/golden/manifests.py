"""Every key and shape of the full-size models, built without memory from their published configs."""

import json

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, PixArtTransformer2DModel, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

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
    "pixart512-transformer": (PixArtTransformer2DModel, {
        "activation_fn": "gelu-approximate", "attention_bias": True, "attention_head_dim": 72, "caption_channels": 4096,
        "cross_attention_dim": 1152, "in_channels": 4, "norm_elementwise_affine": False, "norm_eps": 1e-06,
        "norm_type": "ada_norm_single", "num_attention_heads": 16, "num_layers": 28, "out_channels": 8, "patch_size": 2,
        "sample_size": 64,
    }),
    "t5-xxl": (T5EncoderModel, {
        "d_ff": 10240, "d_kv": 64, "d_model": 4096, "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-06, "model_type": "t5",
        "num_heads": 64, "num_layers": 24, "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32, "vocab_size": 32128,
    }),
}
# transformers builds its models from config objects.
CONFIG_CLASSES = {CLIPTextModel: CLIPTextConfig, T5EncoderModel: T5Config}
# Counted on models built elsewhere from the published config files.
EXPECTED = {"sd15-unet": (686, 859_520_964), "sd21-unet": (686, 865_910_724), "sd-vae": (248, 83_653_863), "t5-xxl": (219, 4_762_310_656)}

# Lists of layers all alike, of which one stands in the file, as N, and their number in `layers`.
ALIKE = {"pixart512-transformer": "transformer_blocks"}


def one_for_all(tensors: dict[str, list[int]], layers: str) -> tuple[dict[str, list[int]], int]:
    of_layer, rest = {}, {}
    for key, shape in tensors.items():
        if key.startswith(layers + "."):
            _, index, name = key.split(".", 2)
            of_layer.setdefault(int(index), {})[f"{layers}.N.{name}"] = shape
        else:
            rest[key] = shape
    if any(layer != of_layer[0] for layer in of_layer.values()):
        raise ValueError(f"{layers} are not all alike")
    return {**rest, **of_layer[0]}, len(of_layer)


def write() -> None:
    for name, (kind, config) in CONFIGS.items():
        with torch.device("meta"):
            model = kind(CONFIG_CLASSES[kind](**config)) if kind in CONFIG_CLASSES else kind(**config)
        # Second names of one tensor are in no file.
        tied = getattr(model, "_tied_weights_keys", None) or {}
        state = {key: value for key, value in sorted(model.state_dict().items()) if key not in tied}
        tensors = {key: list(value.shape) for key, value in state.items()}
        parameters = sum(value.numel() for value in state.values())
        if name in EXPECTED and EXPECTED[name] != (len(tensors), parameters):
            raise ValueError(f"{name}: {len(tensors)} tensors, {parameters} parameters; expected {EXPECTED[name]}")
        print(f"{name}: {len(tensors)} tensors, {parameters} parameters")
        head = {"class": kind.__name__, "parameters": parameters, "config": config}
        if name in ALIKE:
            tensors, head["layers"] = one_for_all(tensors, ALIKE[name])
        lines = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
        rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in tensors.items())
        store.path(f"manifest/{name}.json").write_text("{\n" + lines + ' "tensors": {\n' + rows + "\n }\n}\n")
