"""Published weights by timm's name: from a file on this machine, else one quiet look whether their publisher answers, then the download.

Looked into are Hugging Face's cache and the folder of torch hub, where a file may also be put by hand.
"""

from __future__ import annotations

import logging
import socket
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import timm
import torch
from torch import Tensor

from labelfree.errors import DataError
from labelfree.foreign_logs import quieter

LOOK_SECONDS = 4.0  # that a publisher may take to answer at all
STALL_SECONDS = 20.0  # that a download may stand still
TALKATIVE = ("huggingface_hub", "httpx", "httpx2", "urllib3", "timm")


def published_state(name: str, options: Mapping[str, Any] = {}) -> dict[str, Tensor]:
    """The state dict of timm's `name`, made with `options`, without classifier: positions of a ViT come at the size that these ask for.

    Raises OSError, or what the library raises, where there is no way to get it; DataError for a file that holds other weights.
    HF_HUB_OFFLINE and HF_ENDPOINT are respected. What the libraries say and how often they try again is kept from the terminal.
    """
    from huggingface_hub import constants

    published = timm.get_pretrained_cfg(name)
    assert published is not None
    with quieter(TALKATIVE, logging.CRITICAL):
        warnings.simplefilter("ignore")
        if there := local_file(name):
            own = there.suffix == ".npz" or published.custom_load == "hf"  # read by the network itself
            try:
                return _state(name, options, str(there), {"file": str(there), "custom_load": own})
            except DataError:
                raise
            except Exception as error:  # whatever timm does with a file of anybody's
                kind = type(error).__name__
                raise DataError(f"{there}: cannot be read as weights of {name} ({kind}); bring the file anew, or delete it.") from error
        hub = bool(published.hf_hub_id)
        if hub and constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        address = constants.ENDPOINT if hub else str(published.url)
        if not reachable(address):
            raise OSError(f"{address} does not answer")
        with _impatient():
            return _state(name, options, f"weights of {name}", {})


def local_file(name: str) -> Path | None:
    """The file on this machine that holds the published weights of timm's `name`; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    published = timm.get_pretrained_cfg(name)
    if published is None:
        return None
    place = place_for(name)
    by_hand = [place, place.with_suffix(".pth")]
    if published.url:
        by_hand.append(_hub_folder() / Path(urlparse(str(published.url)).path).name)
    cached: list[Path] = []
    if published.hf_hub_id:
        repository, _, revision = str(published.hf_hub_id).partition("@")
        for file in _hub_files(published):
            found = try_to_load_from_cache(repository, file, revision=revision or None)
            cached += [Path(found)] if isinstance(found, str) else []
    return next((path for path in (*cached, *by_hand) if path.is_file()), None)


def to_bring(name: str) -> str:
    """Which file to fetch elsewhere, and where to put it, so that the weights of timm's `name` are found without a network."""
    published = timm.get_pretrained_cfg(name)
    if published is not None and published.hf_hub_id:
        repository, _, revision = str(published.hf_hub_id).partition("@")
        file = _hub_files(published)[0]
        return f"bring {file} of {repository}{f' ({revision})' if revision else ''} on huggingface.co, and put it here as {place_for(name)}"
    address = str(published.url) if published is not None else ""
    return f"bring {address}, and put it into {_hub_folder()}"


def licence_of(name: str) -> str:
    """What timm tells of the terms of weights that are published under a name."""
    published = timm.get_pretrained_cfg(name)
    return str((published and published.license) or "its licence is not stated")


def place_for(name: str) -> Path:
    """Where a weight file of timm's `name`, brought by hand, is looked for: under the name with its tag."""
    published = timm.get_pretrained_cfg(name)
    tag = published.tag if published is not None and "." not in name else ""
    return _hub_folder() / f"{name}{f'.{tag}' if tag else ''}.safetensors"


def _hub_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _hub_files(published: Any) -> list[str]:
    """Names that a network's file may have on the hub, the one that timm prefers first."""
    told = str(published.hf_hub_filename or "pytorch_model.bin")
    safe = f"{told.replace('pytorch_model', 'model').rpartition('.')[0]}.safetensors"
    return list(dict.fromkeys((safe, told)))


def _state(name: str, options: Mapping[str, Any], where: str, source: dict[str, Any]) -> dict[str, Tensor]:
    """timm loads what fits and is silent on the rest, so the network is made twice: what differs was not loaded but drawn at random."""
    sums: list[dict[str, float]] = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(2):
            torch.manual_seed(seed)
            net = timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=source or None, **options)
            sums.append({key: float(tensor.double().sum()) for key, tensor in net.state_dict().items()})
    absent = [key for key, total in sums[0].items() if total != sums[1][key]]
    if absent:
        raise DataError(f"{where}: lacks {len(absent)} tensors of {name} (e.g. {absent[0]}); it holds another network's weights.")
    return dict(net.state_dict())


@contextmanager
def _impatient() -> Iterator[None]:
    """Within: a connection that stands still is given up, also by libraries that would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def reachable(address: str) -> bool:
    """Whether anything answers there, asked once, through the system's proxy if it has one."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=LOOK_SECONDS).close()
        except urllib.error.HTTPError:
            pass  # it is there, and has something against the question
        except (OSError, ValueError):
            return
        answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)  # urllib's time-out does not hold for the look-up of a name
    thread.start()
    thread.join(LOOK_SECONDS)
    return bool(answers)
