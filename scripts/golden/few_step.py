"""A student of several steps as diffusers draws it: LCMScheduler, which goes to x0 and back to noise at each."""

import torch
from diffusers import LCMScheduler, StableDiffusionPipeline

from . import checkpoints, store
from .pipelines import PROMPT, initial_noise, run_diffusers

STEPS = 4


def write() -> None:
    pipeline = checkpoints.load("sd15-tiny")
    config = {key: value for key, value in pipeline.scheduler.config.items() if key in ("beta_start", "beta_end", "beta_schedule")}
    scheduler = LCMScheduler(**config, original_inference_steps=STEPS, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    student = StableDiffusionPipeline(**{**pipeline.components, "scheduler": scheduler}, requires_safety_checker=False)
    student.set_progress_bar_config(disable=True)
    case = {"name": "few steps", "prompt": PROMPT, "negative": None, "seed": 3, "steps": STEPS, "guidance": 1.0, "height": 64, "width": 64}
    with torch.no_grad():
        results = run_diffusers(student, case)
        results["noise"] = initial_noise(pipeline, case["seed"], case["height"], case["width"])
    print(f"few steps at {student.scheduler.timesteps.tolist()}: latents std {results['latents'].std():.2f}")
    store.write_cases("pipeline/few-step", [(case, results)], timesteps=student.scheduler.timesteps.tolist())
