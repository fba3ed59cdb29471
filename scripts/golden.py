"""Writes test/golden: tiny checkpoints saved by diffusers and the numbers the reference libraries compute.

    pip install -r scripts/requirements.txt
    python scripts/golden.py            # everything, twenty seconds
    python scripts/golden.py ops unet   # some parts

The parts are listed below; `checkpoints` rewrites the tiny pipelines that text, unet, vae, tokenizer, pipeline and nasa read.
Runs on the CPU in f32 with one thread and fixed seeds, so that a second run writes the same bytes on the same machine.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import diffusers
import torch
import transformers

from golden import checkpoints, clip_view, components, distill, few_step, lora, manifests, metrics, nasa, ops, pipelines, pixart, pixart_pipeline, prompts, randn, schedules, single_file, store, t5, t5_tokenizer, tiny, tiny_vae, tokenizers, training


def write_judges() -> None:
    """Imported when asked for: torchvision, open_clip and pytorch-fid are for this part alone."""
    from golden import judges

    judges.write()


PARTS = {
    "checkpoints": checkpoints.write,
    "metrics": metrics.write,
    "judges": write_judges,
    "tokenizer": tokenizers.write,
    "t5-tokenizer": t5_tokenizer.write,
    "text": components.write_text,
    "t5": t5.write,
    "unet": components.write_unet,
    "vae": components.write_vae,
    "tiny-vae": tiny_vae.write,
    "nasa": nasa.write,
    "pixart": pixart.write,
    "pixart-pipeline": pixart_pipeline.write,
    "pipeline": pipelines.write,
    "few-step": few_step.write,
    "lora": lora.write,
    "single-file": single_file.write,
    "tiny": tiny.write,
    "schedule": schedules.write_schedules,
    "ddim": schedules.write_ddim,
    "randn": randn.write,
    "ops": ops.write,
    "training": training.write,
    "distill": distill.write,
    "clip-view": clip_view.write,
    "manifest": manifests.write,
    "prompts": prompts.write,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"parts to write (all by default): {', '.join(PARTS)}")
    chosen = parser.parse_args().parts or list(PARTS)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    diffusers.logging.disable_progress_bar()
    transformers.logging.disable_progress_bar()
    for name, write in PARTS.items():
        if name in chosen:
            print(f"== {name}")
            write()
    store.report()


if __name__ == "__main__":
    main()
