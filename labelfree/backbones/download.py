"""Published weights by timm's name: from the local cache, else one quiet look whether their publisher answers, then the download."""

from __future__ import annotations

import logging
import threading
import urllib.error
import urllib.request
import warnings

import timm
from torch import Tensor

from labelfree.foreign_logs import quieter

LOOK_SECONDS = 4.0  # that a publisher may take to answer at all
TALKATIVE = ("huggingface_hub", "httpx", "httpx2", "urllib3", "timm")


def published_state(name: str) -> dict[str, Tensor]:
    """The state dict of timm's `name` without classifier. Raises OSError, or what the library raises, where there is no way to get it.

    HF_HUB_OFFLINE and HF_ENDPOINT are respected. What the libraries say and how often they try again is kept from the terminal.
    """
    from huggingface_hub import constants

    published = timm.get_pretrained_cfg(name)
    hub = published is not None and bool(published.hf_hub_id)
    address = constants.ENDPOINT if hub or published is None else str(published.url)
    with quieter(TALKATIVE, logging.CRITICAL):
        warnings.simplefilter("ignore")
        if hub:
            offline = constants.HF_HUB_OFFLINE
            constants.HF_HUB_OFFLINE = True
            try:
                return _state(name)
            except Exception as error:
                if offline:
                    raise OSError("it is not in the cache, and HF_HUB_OFFLINE is set") from error
            finally:
                constants.HF_HUB_OFFLINE = offline
        if not reachable(address):
            raise OSError(f"{address} does not answer")
        return _state(name)


def _state(name: str) -> dict[str, Tensor]:
    return dict(timm.create_model(name, pretrained=True, num_classes=0).state_dict())


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
