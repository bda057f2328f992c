"""What the pretraining does on a GPU, in one command of about six minutes; without one its small form runs on the processor.

    python benchmarks/gpu.py --out gpu.json [--wheels FOLDER] [--small]

Generated images only, no network. From a checkout: nothing need be installed but torch, torchvision, timm, lightning and safetensors, and
what a folder of wheels brings. One JSON, written after every part; a part that fails is recorded and the next one goes on, and the command
ends with 1. `benchmarks/README.md` says what each part shows.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from checkout import make_importable, missing

PARTS = {  # name -> module and function
    "agreement": ("gpu_parts", "agreement"), "views": ("gpu_parts", "same_views"), "resume": ("gpu_resume", "resume"),
    "speed": ("gpu_parts", "speed"), "synchronisations": ("gpu_parts", "synchronisations"),
    "embedding": ("gpu_parts", "embedding"), "masks": ("gpu_masks", "masks"),
}  # fmt: skip
EXPECTED = {False: "5 to 7 minutes on one GPU", True: "about a minute on a processor (small form)"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--wheels", type=Path, help="folder of wheels, unpacked for this run")
    parser.add_argument("--small", action="store_true", help="the small form, also where there is a GPU")
    parser.add_argument("--part", action="append", help="only this part (may be repeated)")
    asked = parser.parse_args()
    if unknown := [name for name in asked.part or () if name not in PARTS]:  # told before torch is waited for
        print(f"--part: there is no part {', '.join(unknown)}; parts are {', '.join(PARTS)}.")
        return 2
    make_importable(asked.wheels)
    if lacking := missing():
        print(f"missing here: {', '.join(lacking)}; put their wheels into a folder and name it with --wheels.")
        return 2
    import torch
    from gpu_parts import Form

    form = Form.on("cuda" if torch.cuda.is_available() else "cpu", asked.small)
    result: dict[str, Any] = {"machine": machine(form.device), "small": form.small, "parts": {}}
    print(f"{result['machine']['card']}, torch {torch.__version__}: expected {EXPECTED[form.small]}.", flush=True)
    for name in asked.part or PARTS:
        module, function = PARTS[name]
        result["parts"][name] = facts = run(name, getattr(import_module(module), function), form)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {'ok' if facts['ok'] else facts['error']} ({facts['seconds']:.0f} s)", flush=True)
    failed = [name for name, facts in result["parts"].items() if not facts["ok"]]
    print(f"{asked.out}: " + (f"failed: {', '.join(failed)}." if failed else "all parts passed."))
    return 1 if failed else 0


def run(name: str, part: Any, form: Any) -> dict[str, Any]:
    """A part's facts, or why it failed."""
    began = time.monotonic()
    try:
        facts = part(form)
        outcome = {"ok": not facts.get("faults"), "error": "; ".join(facts.get("faults", [])), **facts}
    except Exception as error:
        traceback.print_exc()
        outcome = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    return {**outcome, "seconds": time.monotonic() - began}


def machine(device: Any) -> dict[str, Any]:
    """What was measured on; no name of a machine or a person."""
    import lightning
    import timm
    import torch

    card = torch.cuda.get_device_properties(device) if device.type == "cuda" else None
    return {
        "card": card.name if card else f"no GPU: {platform.machine()} processor",
        "card_gib": round(card.total_memory / 2**30, 1) if card else None,
        "python": platform.python_version(), "torch": torch.__version__, "timm": timm.__version__, "lightning": lightning.__version__,
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "threads": torch.get_num_threads(),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
