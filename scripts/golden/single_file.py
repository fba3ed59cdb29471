"""What a checkpoint in a single file calls the tensors of the tiny pipelines: the names of LDM and OpenCLIP.

The names are made here by rules, and diffusers' own converters, which read such files, then have to give back every tensor under its name of today:
of the tiny checkpoints, and of full-size networks without numbers.
"""

import gzip
import json
import re

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import single_file_utils as ldm
from transformers import CLIPTextConfig, CLIPTextModel

from . import checkpoints, manifests, store

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3",
          "conv_shortcut": "skip_connection"}
UNET_ENDS = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
             "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}


def unet_name(name: str, config) -> str:
    layers = config["layers_per_block"]
    module, end = name.rsplit(".", 1)
    if module in UNET_ENDS:
        return f"{UNET_ENDS[module]}.{end}"
    where, block, kind, index, rest = re.fullmatch(r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.+)", name).groups()
    b, j = int(block or 0), int(index)
    if kind == "resnets":
        layer, end = rest.rsplit(".", 1)
        rest = f"{RESNET[layer]}.{end}"
    if where == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * j}.{rest}"
    slot = {"resnets": 0, "attentions": 1}.get(kind)
    if where == "down":
        if slot is None:
            return f"input_blocks.{(b + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{1 + b * (layers + 1) + j}.{slot}.{rest}"
    if slot is None:
        return f"output_blocks.{b * (layers + 1) + layers}.{2 if 'Cross' in config['up_block_types'][b] else 1}.{rest}"
    return f"output_blocks.{b * (layers + 1) + j}.{slot}.{rest}"


def vae_name(name: str, config) -> str:
    last = len(config["block_out_channels"]) - 1
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"encoder\.down_blocks\.(\d+)", r"encoder.down.\1", name)
    name = re.sub(r"decoder\.up_blocks\.(\d+)", lambda found: f"decoder.up.{last - int(found[1])}", name)
    name = re.sub(r"(down|up)samplers\.0", r"\1sample", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = name.replace("resnets", "block")
    return re.sub(r"mid_block\.attentions\.0\.(.+)\.(\w+)$", lambda found: f"mid.attn_1.{VAE_ATTENTION[found[1]]}.{found[2]}", name)


def open_clip_names(names) -> dict[str, str]:
    """transformers' names → OpenCLIP's, of which one is that of three tensors."""
    out = {}
    for name in names:
        old = name.replace("embeddings.token_embedding", "token_embedding").replace("final_layer_norm", "ln_final")
        old = old.replace("embeddings.position_embedding.weight", "positional_embedding").replace("encoder.layers", "transformer.resblocks")
        for new, part in OPEN_CLIP.items():
            old = old.replace(new, part)
        out[name] = re.sub(r"self_attn\.[qkv]_proj\.(weight|bias)$", r"attn.in_proj_\1", old)
    return out


def open_clip(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    out = {}
    for name, old in open_clip_names(tensors).items():
        if old.endswith(("in_proj_weight", "in_proj_bias")):
            out[old] = torch.cat([tensors[re.sub(r"[qkv]_proj", f"{one}_proj", name)] for one in "qkv"])
        else:
            out[old] = tensors[name]
    return out


def plain(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix("text_model."): value for name, value in tensors.items() if not name.endswith("position_ids")}


def as_ldm(unet, vae, text: dict[str, torch.Tensor], is_open: bool) -> dict[str, torch.Tensor]:
    """One file of all three: `unet` and `vae` are models, `text` the tensors of a text encoder."""
    out = {f"model.diffusion_model.{unet_name(name, unet.config)}": value for name, value in unet.state_dict().items()}
    for name, value in vae.state_dict().items():
        attention = re.search(r"attentions\.0\.to_.*\.weight", name)
        out[f"first_stage_model.{vae_name(name, vae.config)}"] = value[:, :, None, None] if attention else value
    if is_open:
        return out | {f"cond_stage_model.model.{name}": value for name, value in open_clip(plain(text)).items()}
    return out | {f"cond_stage_model.transformer.text_model.{name}": value for name, value in plain(text).items()}


def same(what: str, got: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    if got.keys() != wanted.keys():
        raise ValueError(f"{what}: {sorted(got.keys() ^ wanted.keys())}")
    for name, value in wanted.items():
        if got[name].shape != value.shape or not (value.is_meta or torch.equal(got[name], value)):
            raise ValueError(f"{what}: {name} is another tensor")
    print(f"{what}: {len(wanted)} tensors come back")


def check(what: str, file: dict[str, torch.Tensor], unet, vae, text: CLIPTextModel, is_open: bool) -> None:
    same(f"{what} unet", ldm.convert_ldm_unet_checkpoint(file, unet.config), unet.state_dict())
    same(f"{what} vae", ldm.convert_ldm_vae_checkpoint(file, vae.config), vae.state_dict())
    converted = ldm.convert_open_clip_checkpoint(text, file) if is_open else ldm.convert_ldm_clip_checkpoint(file)
    same(f"{what} text_encoder", plain(converted), plain(text.state_dict()))


def full(name: str) -> tuple:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**manifests.CONFIGS[f"{name}-unet"][1])
        vae = manifests.AutoencoderKL(**manifests.CONFIGS["sd-vae"][1])
        text = CLIPTextModel(CLIPTextConfig(**manifests.CONFIGS[f"{name}-text_encoder"][1]))
    return unet, vae, text


def modules(names: dict[str, str]) -> list[str]:
    """The second names without `.weight` and `.bias`, in the order of the first."""
    ends = r"\.(weight|bias)$"
    pairs = {re.sub(ends, "", new): re.sub(ends, "", old) for new, old in sorted(names.items())}
    return list(pairs.values())


def write() -> None:
    """Modules alone, one list for each network that there are goldens of, in the order of diffusers' names; of a text encoder one layer, as `N`."""
    out: dict[str, dict] = {"unet": {}, "vae": {}, "text_encoder": {}}
    for name in ("sd15-tiny", "sd21-tiny", "sd15", "sd21"):
        is_open = name.startswith("sd21")
        if name.endswith("-tiny"):
            pipeline = checkpoints.load(name)
            unet, vae, text = pipeline.unet, pipeline.vae, pipeline.text_encoder
        else:
            unet, vae, text = full(name)
        tensors = text.state_dict()
        check(name, as_ldm(unet, vae, tensors, is_open), unet, vae, text, is_open)
        out["unet"][name] = modules({key: unet_name(key, unet.config) for key in unet.state_dict()})
        out["vae"][name] = modules({key: vae_name(key, vae.config) for key in vae.state_dict()})
        if is_open:
            layer = {key.replace(".0.", ".N."): old.replace(".0.", ".N.") for key, old in open_clip_names(plain(tensors)).items() if re.search(r"\.0\.|^[^0-9]*$", key)}
            if out["text_encoder"].setdefault("open-clip", layer) != layer:
                raise ValueError("the layers of two text encoders have different names")
    if out["unet"]["sd15"] != out["unet"].pop("sd21") or out["vae"]["sd15"] != out["vae"].pop("sd21"):
        raise ValueError("the networks of two versions have different names")
    # Without a time, so that a second run writes the same bytes.
    text = json.dumps(out, separators=(",", ":"))
    store.path("single-file.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
