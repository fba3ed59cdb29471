"""Inception-v3 for FID by pytorch-fid, CLIP by open_clip, and what their pictures go through, with weights from a formula."""

import json
from unittest import mock

import numpy as np
import open_clip
import torch
from PIL import Image
from pytorch_fid import inception as fid
from torchvision.transforms.functional import InterpolationMode, pad, resize

from . import formula, store

# ---- Inception

INCEPTION_RULES = [
    {"suffix": "conv.weight", "center": 0.0, "spread": 2.4, "fanIn": True},
    {"suffix": "bn.weight", "center": 1.0, "spread": 0.3},
    {"suffix": "bn.bias", "center": 0.0, "spread": 0.2},
    {"suffix": "bn.running_mean", "center": 0.0, "spread": 0.2},
    {"suffix": "bn.running_var", "center": 1.0, "spread": 0.5},
    {"suffix": "fc.weight", "center": 0.0, "spread": 1.7, "fanIn": True},
    {"suffix": "fc.bias", "center": 0.0, "spread": 0.2},
]


def inception(shapes: dict[str, list[int]] | None = None) -> torch.nn.Module:
    """pytorch-fid's own builder; where it would download the weights it gets the formula's."""
    if shapes is None:
        keys = lambda *_, **__: {}
        with mock.patch.object(fid, "load_state_dict_from_url", keys), mock.patch.object(torch.nn.Module, "load_state_dict", lambda *_: None):
            return fid.fid_inception_v3().eval()
    weights = formula.state(shapes, INCEPTION_RULES)
    counters = {key: torch.tensor(0) for key in inception().state_dict() if key.endswith("num_batches_tracked")}
    with mock.patch.object(fid, "load_state_dict_from_url", lambda *_, **__: weights | counters):
        return fid.fid_inception_v3().eval()


def shapes_of(model: torch.nn.Module) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}


def write_inception() -> None:
    shapes = shapes_of(inception())
    floats = sum(int(np.prod(shape)) for shape in shapes.values())
    trained = sum(p.numel() for p in inception().parameters())
    print(f"inception: {len(shapes)} tensors, {trained} trained, {floats} floats")
    rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in sorted(shapes.items()))
    head = {"class": "fid_inception_v3", "parameters": floats, "trained": trained}
    lines = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    store.path("judges/inception-manifest.json").write_text("{\n" + lines + ' "tensors": {\n' + rows + "\n }\n}\n")

    network = inception(shapes)
    blocks = fid.InceptionV3
    with mock.patch.object(fid, "fid_inception_v3", lambda: network):
        plain = blocks(resize_input=False, normalize_input=False)
        resized = blocks()
    cases = []

    def add(case: str, height: int, width: int, prepare: str) -> None:
        bytes_ = torch.from_numpy(formula.picture(case, height, width)).permute(2, 0, 1)[None].float()
        results = {}
        for dtype in (torch.float64, torch.float32):
            network.to(dtype)
            x = bytes_.to(dtype)
            if prepare == "pytorch-fid":
                features = resized(x / 255)[0]
            elif prepare == "clean-fid":
                features = plain((clean(bytes_[0].permute(1, 2, 0).numpy()).to(dtype) - 128) / 128)[0]
            else:
                features = plain(x / 127.5 - 1)[0]
            features = features.flatten(1)
            results[dtype] = {"features": features, "logits": network.fc(features)}
        exact, single = results[torch.float64], results[torch.float32]
        rounding = ((exact["features"] - single["features"]).norm() / exact["features"].norm()).item()
        print(f"inception {case}: features mean {exact['features'].mean():.3f} std {exact['features'].std():.3f}, f32 off by {rounding:.1e}")
        cases.append(({"name": case, "height": height, "width": width, "prepare": prepare},
                      {key: value.float() for key, value in exact.items()}))

    with torch.no_grad():
        add("smallest", 75, 75, "none")
        # The last pool sees more than one place from 107 pixels on.
        add("oblong", 107, 111, "none")
        add("as pytorch-fid", 48, 64, "pytorch-fid")
        add("as clean-fid", 320, 352, "clean-fid")
    store.write_cases("judges/inception", cases, rules=INCEPTION_RULES)


def clean(bytes_: np.ndarray, size: int = 299) -> torch.Tensor:
    """clean-fid's resizer: each channel as floats through Pillow's bicubic, then cut to 0 … 255."""
    channels = [np.asarray(Image.fromarray(bytes_[:, :, c].astype(np.float32)).resize((size, size), Image.BICUBIC)) for c in range(3)]
    return torch.from_numpy(np.stack(channels).clip(0, 255))[None]


# ---- OpenCLIP

CLIP_RULES = [
    {"suffix": "logit_scale", "center": 2.5, "spread": 0.5},
    {"suffix": "class_embedding", "center": 0.0, "spread": 0.5},
    {"suffix": "positional_embedding", "center": 0.0, "spread": 0.5},
    {"suffix": "token_embedding.weight", "center": 0.0, "spread": 1.0},
    *({"suffix": f"{norm}.weight", "center": 1.0, "spread": 0.3} for norm in ("ln_1", "ln_2", "ln_pre", "ln_post", "ln_final")),
    {"suffix": "bias", "center": 0.0, "spread": 0.2},
    {"suffix": "in_proj_weight", "center": 0.0, "spread": 2.5, "fanIn": True},
    {"suffix": "weight", "center": 0.0, "spread": 1.5, "fanIn": True},
    {"suffix": "", "center": 0.0, "spread": 0.4},
]
# Vocabularies of the tokenizers in sd15-tiny and sd21-tiny, whose last id is the end.
TINY = {
    "tiny": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 3, "width": 32, "head_width": 16, "patch_size": 8, "mlp_ratio": 3.7},
        "text_cfg": {"context_length": 77, "vocab_size": 834, "width": 24, "heads": 3, "layers": 2},
    },
    "tiny-quickgelu": {
        "embed_dim": 20, "quick_gelu": True,
        "vision_cfg": {"image_size": 30, "layers": 2, "width": 48, "head_width": 16, "patch_size": 10},
        "text_cfg": {"context_length": 77, "vocab_size": 794, "width": 32, "heads": 2, "layers": 3},
    },
}
FULL = ["ViT-B-32", "ViT-L-14-quickgelu", "ViT-H-14", "ViT-g-14"]


def compact(shapes: dict[str, list[int]]) -> dict:
    """Layers of a tower are alike: the first stands for all, under `N`, and their number beside it."""
    towers = {tower: 1 + max(int(key[len(tower):].split(".")[0]) for key in shapes if key.startswith(tower))
              for tower in ("visual.transformer.resblocks.", "transformer.resblocks.")}
    tensors = {}
    for key, shape in sorted(shapes.items()):
        tower = next((tower for tower in towers if key.startswith(tower)), None)
        name = key if tower is None else tower + "N." + key[len(tower):].split(".", 1)[1]
        if tensors.setdefault(name, shape) != shape:
            raise ValueError(f"{key} is {shape}, in another layer {tensors[name]}")
    if sum(towers[name.split("N.")[0]] if "N." in name else 1 for name in tensors) != len(shapes):
        raise ValueError("layers differ in what they have")
    return {"layers": towers, "tensors": tensors}


def write_open_clip() -> None:
    manifests = {}
    for name in FULL:
        with torch.device("meta"):
            model = open_clip.CLIP(**{key: value for key, value in open_clip.get_model_config(name).items()})
        shapes = shapes_of(model)
        parameters = sum(int(np.prod(shape)) for shape in shapes.values())
        print(f"{name}: {len(shapes)} tensors, {parameters} parameters")
        manifests[name] = {"parameters": parameters, **compact(shapes)}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in manifests.items())
    store.path("judges/open-clip-manifest.json").write_text("{\n" + lines + "\n}\n")

    cases, networks = [], {}
    for name, config in TINY.items():
        model = open_clip.CLIP(**config).eval()
        shapes = shapes_of(model)
        model.load_state_dict(formula.state(shapes, CLIP_RULES))
        networks[name] = {"config": config, "tensors": shapes}
        size = config["vision_cfg"]["image_size"]
        pictures = torch.from_numpy(np.stack([formula.picture(f"{name} {i}", size, size) for i in range(2)])).permute(0, 3, 1, 2).double() / 127.5 - 1
        end = config["text_cfg"]["vocab_size"] - 1
        ids = torch.zeros(3, 77, dtype=torch.int64)
        for row, length in enumerate((2, 9, 77)):
            ids[row, :length] = torch.from_numpy((formula.hashes(f"{name} ids {row}", length) % np.uint32(end - 1)).astype(np.int64))
            ids[row, length - 1] = end
        with torch.no_grad():
            single = model.encode_image(pictures.float()), model.encode_text(ids)
            model.double()
            image, text = model.encode_image(pictures), model.encode_text(ids)
            mean, std = (torch.tensor(v).double()[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
            prepared = model.encode_image((pictures / 2 + 0.5 - mean) / std)
        off = [((a - b).norm() / b.norm()).item() for a, b in zip(single, (image, text))]
        print(f"{name}: image std {image.std():.3f}, text std {text.std():.3f}, f32 off by {off[0]:.1e} and {off[1]:.1e}")
        cases.append(({"name": name, "ends": [1, 8, 76]}, {
            "ids": ids.to(torch.int32), "image": image.float(), "prepared": prepared.float(), "text": text.float(),
        }))
    store.write_cases("judges/open-clip", cases, rules=CLIP_RULES, networks=networks)


# ---- Pictures

def hps(bytes_: np.ndarray, size: int) -> torch.Tensor:
    """HPSv2's own: floats, the longer side to `size`, zeros around, then normalised. Written out from what its transform does."""
    x = torch.from_numpy(bytes_).permute(2, 0, 1).float() / 255
    height, width = x.shape[1:]
    scale = size / max(height, width)
    to = [round(side * scale) for side in (height, width)]
    x = resize(x, to, InterpolationMode.BICUBIC)
    down, across = size - to[0], size - to[1]
    x = pad(x, [across // 2, down // 2, across - across // 2, down - down // 2])
    mean, std = (torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    return ((x - mean) / std)[None]


def write_pictures() -> None:
    cases = []
    for height, width in [(64, 64), (53, 37), (41, 90), (20, 24)]:
        case = f"{height} by {width}"
        bytes_ = formula.picture(case, height, width)
        clip = open_clip.image_transform(32, is_train=False, mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD)
        cases.append(({"name": case, "height": height, "width": width}, {
            "clip": clip(Image.fromarray(bytes_))[None], "hps": hps(bytes_, 32), "clean": clean(bytes_, 31),
        }))
    store.write_cases("judges/pictures", cases)


def write() -> None:
    write_inception()
    write_open_clip()
    write_pictures()
