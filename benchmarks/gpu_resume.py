"""A pretraining on a device, killed by SIGKILL and gone on with, ends with the weights of one that was never killed: real processes."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PATIENCE = 120  # seconds for a process
KILLED_AFTER = 3  # steps


def resume(form: Any) -> dict[str, Any]:
    """Each of several cases: three processes, of which one is killed."""
    cases = [("dino", "resnet18", 32)] if form.small else [("dino", "resnet18", 64), ("dinov2", "vit_tiny_patch16_224", 64)]
    outcomes = {f"{objective}, {network}": _case(form, objective, network, side) for objective, network, side in cases}
    faults = [f"{name}: {fault}" for name, outcome in outcomes.items() for fault in outcome.pop("faults")]
    return {"cases": outcomes, "faults": faults}


def _case(form: Any, objective: str, network: str, side: int) -> dict[str, Any]:
    told: dict[str, Any] = {"objective": objective, "network_name": network, "side": side}
    told |= {"steps": 16, "batch_size": 8} if form.small else {"steps": 24, "batch_size": 32}
    with TemporaryDirectory() as place:
        folder = Path(place)
        unbroken = _finished(_start(form, folder / "unbroken", told))
        process = _start(form, folder / "broken", told)
        checkpoint = folder / "broken" / "checkpoints" / "domain-0.ckpt"
        step = _killed(process, checkpoint)
        broken = _finished(_start(form, folder / "broken", told))
    equal = broken["weights"] == unbroken["weights"]
    faults = [] if equal else ["the resumed run ends with other weights than the unbroken one"]
    if not 0 < step < told["steps"]:
        faults.append(f"killed at step {step} of {told['steps']}: that shows nothing")
    kernels = unbroken["not_deterministic"]
    return {"killed_at": step, "steps": told["steps"], "equal": equal, "not_deterministic": kernels, "faults": faults}


def _start(form: Any, folder: Path, told: dict[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, str(folder), json.dumps(told), form.device.type]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"a process ended with {process.returncode}: {errors.strip().splitlines()[-1] if errors.strip() else ''}")
    outcome: dict[str, Any] = json.loads(output.splitlines()[-1])
    return outcome


def _killed(process: subprocess.Popen[str], checkpoint: Path) -> int:
    """Kill the process once it has saved a few steps; the step that its checkpoint stands at."""
    from labelfree.pretraining.fit import checkpoint_step

    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if checkpoint.is_file() and checkpoint_step(checkpoint) >= KILLED_AFTER:
            break
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return checkpoint_step(checkpoint)


def train(folder: Path, told: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own: pretrain to the end, saving after every step. The weights' digest; kernels that are not deterministic."""
    from gpu_jobs import job_on

    from labelfree.pretraining.fit import fit
    from labelfree.progress import Silent

    kernels: set[str] = set()

    def note(message: Any, *_: Any) -> None:
        kernels.update(re.findall(r"^(\S+) does not have a deterministic implementation", str(message)))

    warnings.showwarning = note  # type: ignore[assignment]
    warnings.filterwarnings = lambda *_, **__: None  # type: ignore[assignment]  # what a run keeps quiet is wanted here
    warnings.simplefilter("always")
    backbone = fit(job_on(folder, checkpoint_minutes=0.0, **told), Silent())
    digest = hashlib.sha256()
    for name, tensor in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return {"weights": digest.hexdigest(), "not_deterministic": sorted(kernels)}


if __name__ == "__main__":
    if sys.argv[3] == "cpu":
        import os

        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    print(json.dumps(train(Path(sys.argv[1]), json.loads(sys.argv[2]))))
