"""Noise schedules, timesteps and DDIM steps, as diffusers' DDIMScheduler computes them."""

import json

import torch
from diffusers import DDIMScheduler

from . import store
from .components import seeded

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 19, 20, 25, 30, 31, 32, 48, 50, 61, 64, 80, 96, 100, 103, 121, 128, 250, 999, 1000]


def write_schedules() -> None:
    schedules = {
        "scaled_linear": SD,
        "linear": {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"},
        "squaredcos_cap_v2": {"beta_schedule": "squaredcos_cap_v2"},
        "scaled_linear zero snr": {**SD, "rescale_betas_zero_snr": True},
        "scaled_linear of 50": {**SD, "num_train_timesteps": 50},
    }
    cases = []
    for name, config in schedules.items():
        scheduler = DDIMScheduler(**config)
        cases.append(({"name": name, "config": config}, {"betas": scheduler.betas, "alphas_cumprod": scheduler.alphas_cumprod}))
    store.write_cases("schedule/alphas", cases)
    rows = []
    for spacing, offsets in (("leading", (0, 1)), ("trailing", (0,)), ("linspace", (0,))):
        for offset in offsets:
            for n in COUNTS:
                scheduler = DDIMScheduler(**SD, timestep_spacing=spacing, steps_offset=offset)
                scheduler.set_timesteps(n)
                timesteps = scheduler.timesteps.tolist()
                # From here on only ends matter: the rule for the middle is tested by the smaller ones.
                if n >= 250:
                    timesteps = [*timesteps[:5], None, *timesteps[-5:]]
                rows.append({"timestep_spacing": spacing, "steps_offset": offset, "steps": n, "timesteps": timesteps})
    store.path("schedule/timesteps.json").write_text(
        '{\n "cases": [\n' + ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows) + "\n ]\n}\n"
    )


def write_ddim() -> None:
    table = [
        {"prediction_type": "epsilon", "steps_offset": 1, "set_alpha_to_one": False},
        {"prediction_type": "epsilon", "steps_offset": 0, "set_alpha_to_one": True},
        {"prediction_type": "epsilon", "steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "trailing"},
        {"prediction_type": "epsilon", "steps_offset": 0, "set_alpha_to_one": True, "timestep_spacing": "linspace"},
        {"prediction_type": "epsilon", "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": True},
        {"prediction_type": "v_prediction", "steps_offset": 1, "set_alpha_to_one": False},
        {"prediction_type": "v_prediction", "steps_offset": 0, "set_alpha_to_one": True, "timestep_spacing": "trailing"},
        {"prediction_type": "v_prediction", "steps_offset": 0, "set_alpha_to_one": True, "timestep_spacing": "trailing",
         "rescale_betas_zero_snr": True},
        {"prediction_type": "sample", "steps_offset": 1, "set_alpha_to_one": False},
    ]
    cases = []
    for i, options in enumerate(table):
        config = {**SD, "clip_sample": False, "timestep_spacing": "leading", **options}
        for steps in (1, 2, 5):
            scheduler = DDIMScheduler(**config)
            scheduler.set_timesteps(steps)
            x = seeded(6000 + i, 1, 4, 3, 2)
            tensors = {"x_T": x}
            for k, t in enumerate(scheduler.timesteps):
                prediction = seeded(7000 + 100 * i + k, 1, 4, 3, 2)
                out = scheduler.step(prediction, t, x, eta=0.0)
                x = out.prev_sample
                tensors |= {f"{k}.model_output": prediction, f"{k}.pred_original_sample": out.pred_original_sample, f"{k}.prev_sample": x}
            description = {"name": f"{i}-{steps}", "config": config, "steps": steps, "timesteps": scheduler.timesteps.tolist()}
            cases.append((description, tensors))
    store.write_cases("schedule/ddim", cases)
