"""Where goldens lie and how they are written: NAME.safetensors holds tensors, NAME.json beside it says what each case is."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2] / "test" / "golden"
LIMIT_BYTES = 6_000_000


def path(name: str) -> Path:
    target = ROOT / name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def write_json(name: str, value: object, indent: int | None = 1) -> None:
    """Non-ASCII is escaped, so that no editor or git setting can normalise a hard string."""
    separators = None if indent else (",", ":")
    path(name + ".json").write_text(json.dumps(value, indent=indent, separators=separators) + "\n")


def write_tensors(name: str, tensors: dict[str, torch.Tensor]) -> None:
    for key, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"{name}: {key} holds values that are not finite")
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, path(name + ".safetensors"))


def write_cases(name: str, cases: list[tuple[dict, dict[str, torch.Tensor]]], **header) -> None:
    """cases: (description with a unique `name`, tensors); a tensor is stored as `<case name>.<tensor name>`."""
    descriptions, tensors = [], {}
    for description, parts in cases:
        if "." in description["name"]:
            raise ValueError(f"{name}: a case name holds no dot, unlike {description['name']!r}")
        descriptions.append(description)
        for key, value in parts.items():
            full = f"{description['name']}.{key}"
            if full in tensors:
                raise ValueError(f"{name}: two tensors named {full}")
            tensors[full] = value
    write_tensors(name, tensors)
    # One case a line: readable in a diff and small.
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in header.items())
    lines = ",\n".join("  " + json.dumps(one) for one in descriptions)
    path(name + ".json").write_text("{\n" + head + ' "cases": [\n' + lines + "\n ]\n}\n")


def report() -> None:
    total = 0
    for file in sorted(p for p in ROOT.rglob("*") if p.is_file()):
        size = file.stat().st_size
        total += size
        print(f"{size:>9}  {file.relative_to(ROOT)}")
    print(f"{total:>9}  total")
    if total > LIMIT_BYTES:
        raise SystemExit(f"test/golden holds {total} bytes: the limit is {LIMIT_BYTES}")
