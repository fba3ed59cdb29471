"""Makes one picture in one step from a folder of write_pipeline.py with PyTorch in f32 and writes what it took and what came out.

    python bench/real-size/measure_pytorch.py FOLDER [--size 256] [--threads 2]

FOLDER/reference/ then holds reference.json (seconds for each part, best of two) and reference.safetensors (every intermediate result).
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

PROMPT = "a photo of a cat sitting on a red chair"


def timed(run):
    """The result, and the seconds of the better of two runs: by the clock, and of CPU time on all threads."""
    wall, cpu = float("inf"), float("inf")
    for _ in range(2):
        started, used = time.perf_counter(), time.process_time()
        result = run()
        wall, cpu = min(wall, time.perf_counter() - started), min(cpu, time.process_time() - used)
    return result, {"wall": wall, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = options.folder
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)

    started, used = time.perf_counter(), time.process_time()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    alphas = PNDMScheduler.from_pretrained(folder / "scheduler").alphas_cumprod
    seconds = {"load": {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}}

    ids = tokenizer([PROMPT], padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    context, seconds["text"] = timed(lambda: text(ids).last_hidden_state)
    side = options.size // 8
    noise = torch.randn((1, 4, side, side), generator=torch.Generator("cpu").manual_seed(options.seed))
    last = len(alphas) - 1
    prediction, seconds["unet"] = timed(lambda: unet(noise, torch.tensor([float(last)]), context).sample)
    latents = (noise - (1 - alphas[last]).sqrt() * prediction) / alphas[last].sqrt()
    image, seconds["decode"] = timed(lambda: vae.decode(latents / vae.config.scaling_factor).sample)
    pixels = (image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    picture = torch.from_numpy(np.ascontiguousarray((pixels * 255).round().astype(np.uint8)))

    out = folder / "reference"
    out.mkdir(exist_ok=True)
    save_file(
        {"ids": ids.to(torch.int32), "context": context, "noise": noise, "prediction": prediction, "latents": latents, "image": image.contiguous(), "picture": picture},
        out / "reference.safetensors",
    )
    report = {
        "torch": torch.__version__, "threads": options.threads, "size": options.size, "seed": options.seed, "prompt": PROMPT, "seconds": seconds,
        "peakResidentBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "std": {"context": context.std().item(), "prediction": prediction.std().item(), "latents": latents.std().item(), "picture": picture.float().std().item()},
    }
    (out / "reference.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
