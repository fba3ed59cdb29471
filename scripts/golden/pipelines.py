"""Whole pictures: through diffusers' StableDiffusionPipeline where it can make them, by an own loop where it cannot."""

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from . import checkpoints, store
from .components import encode
from .nasa import Nasa, installed
from .names import CHECKPOINTS

PROMPT = "a photo of a cat sitting on a red chair!"
NEGATIVE = "blurry, low quality, watermark"


def initial_noise(pipeline, seed: int, height: int, width: int) -> torch.Tensor:
    factor = pipeline.vae_scale_factor
    return torch.randn((1, 4, height // factor, width // factor), generator=torch.Generator("cpu").manual_seed(seed))


def decode(pipeline, latents: torch.Tensor) -> torch.Tensor:
    """[1,4,h,w] to u8 [H,W,3]: round half to even of 255·clamp(y/2 + 1/2, 0, 1)."""
    y = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    pixels = (y / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return torch.from_numpy((pixels * 255).round().astype(np.uint8))


def ddim(pipeline) -> StableDiffusionPipeline:
    """The same components under DDIM; the constructor sets steps_offset 1 and clip_sample false, as it does for every user."""
    parts = dict(pipeline.components)
    parts["scheduler"] = DDIMScheduler.from_config(pipeline.scheduler.config)
    out = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    out.set_progress_bar_config(disable=True)
    return out


def run_diffusers(pipeline, case: dict, noise: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    def call(output_type: str):
        return pipeline(
            case["prompt"], negative_prompt=case["negative"], height=case["height"], width=case["width"], latents=noise,
            num_inference_steps=case["steps"], guidance_scale=case["guidance"], eta=0.0, output_type=output_type,
            generator=torch.Generator("cpu").manual_seed(case["seed"]),
        ).images

    picture = torch.from_numpy(np.asarray(call("pil")[0]).copy())
    return {"latents": call("latent"), "image": picture}


def x0_from(prediction: torch.Tensor, x: torch.Tensor, abar: torch.Tensor, kind: str) -> torch.Tensor:
    alpha, sigma = abar.sqrt(), (1 - abar).sqrt()
    if kind == "epsilon":
        return (x - sigma * prediction) / alpha
    if kind == "v_prediction":
        return alpha * x - sigma * prediction
    raise ValueError(kind)


def check_one_step(pipeline, case: dict, latents: torch.Tensor) -> None:
    """diffusers reaches the same latents when its one DDIM step starts at the last timestep and ends at no noise."""
    options = {"timestep_spacing": "trailing", "set_alpha_to_one": True}
    parts = {**pipeline.components, "scheduler": DDIMScheduler.from_config(pipeline.scheduler.config, **options)}
    other = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    expected = run_diffusers(other, {**case, "negative": None})["latents"]
    if (latents - expected).norm() > 1e-6 * expected.norm():
        raise ValueError(f"{case['name']}: one step differs from diffusers' by {(latents - expected).norm() / expected.norm()}")


def run_one_step(pipeline, case: dict) -> dict[str, torch.Tensor]:
    noise = initial_noise(pipeline, case["seed"], case["height"], case["width"])
    config = pipeline.scheduler.config
    last = config.num_train_timesteps - 1
    text, timestep = encode(pipeline, [case["prompt"]]), torch.tensor([float(last)])
    if case["nasaScale"] is None:
        prediction = pipeline.unet(noise, timestep, text).sample
    else:
        with installed(pipeline.unet, Nasa(encode(pipeline, [case["negative"]]), case["nasaScale"])):
            prediction = pipeline.unet(noise, timestep, text).sample
    latents = x0_from(prediction, noise, pipeline.scheduler.alphas_cumprod[last], config.prediction_type)
    return {"noise": noise, "prediction": prediction, "latents": latents, "image": decode(pipeline, latents)}


def run_ddim_nasa(pipeline, case: dict) -> dict[str, torch.Tensor]:
    """DDIM with classifier-free guidance against the empty prompt and NASA in the conditional pass only."""
    x = initial_noise(pipeline, case["seed"], case["height"], case["width"])
    noise, scheduler = x, pipeline.scheduler
    text, null, negative = (encode(pipeline, [p]) for p in (case["prompt"], "", case["negative"]))
    scheduler.set_timesteps(case["steps"])
    for t in scheduler.timesteps:
        step = t.float()[None]
        with installed(pipeline.unet, Nasa(negative, case["nasaScale"])):
            conditional = pipeline.unet(x, step, text).sample
        unconditional = pipeline.unet(x, step, null).sample
        guided = unconditional + case["guidance"] * (conditional - unconditional)
        x = scheduler.step(guided, t, x).prev_sample
    return {"noise": noise, "latents": x, "image": decode(pipeline, x)}


def table(pipeline) -> list[dict]:
    size = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    wide = {"height": size - 2 * 8, "width": size + 8}
    square = {"height": size, "width": size}
    base = {"prompt": PROMPT, "negative": None, "nasaScale": None, "guidance": 1.0, "seed": 0}
    return [
        {"name": "one step", "steps": 1, **base, **square},
        {"name": "one step, other seed and size", "steps": 1, **base, **wide, "seed": 7},
        {"name": "one step, NASA", "steps": 1, **base, **square, "negative": NEGATIVE, "nasaScale": 0.5},
        {"name": "DDIM 4, guidance and negative", "steps": 4, **base, **square, "guidance": 7.5, "negative": NEGATIVE},
        {"name": "DDIM 4, no guidance", "steps": 4, **base, **square, "seed": 1},
        {"name": "DDIM 3, guidance, other size", "steps": 3, **base, **wide, "guidance": 3.0, "seed": 2},
        {"name": "DDIM 3, guidance and NASA", "steps": 3, **base, **square, "guidance": 3.0, "negative": NEGATIVE, "nasaScale": 0.5},
    ]


def write() -> None:
    for name in CHECKPOINTS:
        pipeline = ddim(checkpoints.load(name))
        cases = []
        for case in table(pipeline):
            if case["steps"] == 1:
                run = run_one_step
            else:
                run = run_diffusers if case["nasaScale"] is None else run_ddim_nasa
            with torch.no_grad():
                results = run(pipeline, case)
                results.setdefault("noise", initial_noise(pipeline, case["seed"], case["height"], case["width"]))
            spread = results["image"].float().std().item()
            if spread <= 10:
                raise ValueError(f"{name} {case['name']}: the picture is flat (standard deviation {spread})")
            if case["steps"] == 1 and case["nasaScale"] is None:
                check_one_step(pipeline, case, results["latents"])
            clipped = ((results["image"] == 0) | (results["image"] == 255)).float().mean().item()
            print(f"{name} {case['name']}: picture std {spread:.1f}, clipped {clipped:.0%}, latents std {results['latents'].std():.2f}")
            if run is run_diffusers:
                # The stored noise is what the generator gave the pipeline, and rounding noise must not decide the picture.
                again = run_diffusers(pipeline, case, results["noise"])
                if not torch.equal(again["latents"], results["latents"]):
                    raise ValueError(f"{name} {case['name']}: the noise is not the pipeline's")
                nudge = torch.randn(results["noise"].shape, generator=torch.Generator().manual_seed(99)) * 1e-6
                near = run_diffusers(pipeline, case, results["noise"] + nudge)
                change = (near["latents"] - results["latents"]).norm() / results["latents"].norm()
                pixels = (near["image"].int() - results["image"].int()).abs()
                print(f"   noise off by 1e-6: latents off by {change:.2g}, pixels by {pixels.max()}")
            cases.append((case, results))
        config = pipeline.scheduler.config
        store.write_cases(
            f"pipeline/{name}", cases, factor=pipeline.vae_scale_factor, predictionType=config.prediction_type,
            timestepSpacing=config.timestep_spacing, setAlphaToOne=config.set_alpha_to_one,
        )
