"""What diffusers draws with the models that ship in packages/tiny, loaded as a user loads them: no options but the folder."""

import torch
from diffusers import StableDiffusionPipeline

from . import store
from .pipelines import initial_noise, run_diffusers

PACKAGE = store.ROOT.parents[1] / "packages" / "tiny"
PROMPT = "a large hollow blue star on a white background"


def write() -> None:
    cases = []
    for model, steps, guidance in (("student", 1, 1.0), ("teacher", 10, 3.0)):
        if not (PACKAGE / model / "model_index.json").exists():
            print(f"{model}: not there yet")
            continue
        pipeline = StableDiffusionPipeline.from_pretrained(PACKAGE / model)
        pipeline.set_progress_bar_config(disable=True)
        for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
            if next(part.parameters()).dtype != torch.float32:
                raise ValueError(f"{model}: {type(part).__name__} was not loaded in f32")
        size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
        case = {"name": model, "prompt": PROMPT, "negative": None, "seed": 5, "steps": steps, "guidance": guidance, "height": size, "width": size}
        with torch.no_grad():
            results = run_diffusers(pipeline, case)
            noise = initial_noise(pipeline, case["seed"], size, size)
            # How far rounding moves a picture: what a test may allow comes from this.
            near = run_diffusers(pipeline, case, noise + torch.randn(noise.shape, generator=torch.Generator().manual_seed(99)) * 1e-6)
        change = (near["latents"] - results["latents"]).norm() / results["latents"].norm()
        pixels = (near["image"].int() - results["image"].int()).abs()
        print(f"{model}: {type(pipeline.scheduler).__name__} at {pipeline.scheduler.timesteps.tolist()[:3]}; noise off by 1e-6: latents off by {change:.2g}, pixels by {pixels.max()}")
        cases.append((case, results))
    store.write_cases("tiny", cases)
