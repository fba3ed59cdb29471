"""torch.randn of a CPU generator: sizes below, at and off 16, several draws in a row, seeds of every width."""

import torch

from . import store


def write() -> None:
    sequences = [[[n]] for n in (1, 2, 3, 7, 15, 16, 17, 24, 31, 32, 33, 100)]
    sequences += [[[1, 4, 8, 8]], [[1, 4, 7, 9]], [[2, 4, 5, 5]], [[1, 4, 16, 16]]]
    # An odd small draw leaves a value in the generator; it survives a large draw in between.
    sequences += [[[3], [3]], [[3], [16], [3]], [[5], [17], [1], [2]], [[16], [16]], [[20], [20]], [[1, 4, 8, 8], [1, 4, 8, 8]]]
    seeds = {"0": [*sequences], "1": [[[3]], [[1, 4, 8, 8]]], "42": [[[7]], [[33]]]}
    for seed in ("4294967295", "4294967296", "1234567890123", "-1", "9007199254740991"):
        seeds[seed] = [[[3]], [[20]]]
    cases = []
    for seed, plans in seeds.items():
        for plan in plans:
            generator = torch.Generator("cpu").manual_seed(int(seed))
            name = f"seed {seed}: " + " then ".join("x".join(map(str, shape)) for shape in plan)
            tensors = {str(i): torch.randn(shape, generator=generator) for i, shape in enumerate(plan)}
            cases.append(({"name": name, "seed": seed, "draws": plan}, tensors))
    store.write_cases("randn", cases)
    print(f"cpu capability: {torch.backends.cpu.get_cpu_capability()}")
