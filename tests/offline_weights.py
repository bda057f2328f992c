"""Random weights laid where other programs leave published ones, and a machine without a network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, and no connection to anything."""

    def refused(*asked: object) -> None:
        raise AssertionError(f"a network was asked: {asked}")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def published(name: str) -> dict[str, Tensor]:
    """Random weights as timm publishes them: its own names, a classifier among them where it has one."""
    torch.manual_seed(7)
    return timm.create_model(name, pretrained=False).state_dict()


def into_hub(name: str, state: dict[str, Tensor], tmp_path: Path, file: str = "model.safetensors") -> Path:
    """The layout that huggingface_hub leaves."""
    folder = tmp_path / "hub" / f"models--timm--{name}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    return _written(state, folder / "snapshots" / COMMIT / file)


def by_hand(name: str, state: dict[str, Tensor], tmp_path: Path, file: str = "") -> Path:
    """A file in torch hub's folder, called as the network is or as its authors call it."""
    return _written(state, tmp_path / "torch" / "hub" / "checkpoints" / (file or f"{name}.safetensors"))


def _written(state: dict[str, Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path
