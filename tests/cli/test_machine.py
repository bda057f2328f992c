"""`doctor` and `environment.json`: facts of this machine, with the way out, and without names of people or machines."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from labelfree.planning import diagnosis, environment


def test_this_machine_is_found_fit():
    found = {finding.what: finding for finding in diagnosis.diagnose()}
    assert {"Python", "GPU", "torchvision", "threads", "bf16", "domains", "GeoTIFF", "ImageNet weights", "disk", "cache"} <= set(found)
    assert "satellite" in found["domains"].fact
    assert not [finding for finding in found.values() if finding.state != "ok" and not finding.fix]


def test_a_gpu_beside_the_cpu_build_is_wrong_and_the_fix_is_printed(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(diagnosis, "nvidia_card", lambda: "NVIDIA RTX 4090")
    found = diagnosis.torch_build()
    assert found.state == "wrong" and "NVIDIA RTX 4090 is present" in found.fact and "CPU build" in found.fact
    assert found.fix.startswith("pip install --force-reinstall torch torchvision")


def test_a_gpu_that_the_driver_hides_is_wrong(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(diagnosis, "nvidia_card", lambda: "NVIDIA RTX 4090")
    assert diagnosis.torch_build().state == "wrong" and "driver" in diagnosis.torch_build().fix


def test_gpus_that_a_run_leaves_idle_are_named_with_the_command_that_uses_them(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for count, state in ((1, "ok"), (4, "warning")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert diagnosis.gpus().state == state
    assert "python -m labelfree.torchrun --standalone --nproc-per-node 4 -m labelfree" in diagnosis.gpus().fix


def test_threads_are_compared_with_cores(monkeypatch):
    import torch

    for used, cores, state in ((1, 2, "warning"), (4, 2, "warning"), (2, 2, "ok")):
        monkeypatch.setattr(torch, "get_num_threads", lambda used=used: used)
        monkeypatch.setattr(environment, "cores", lambda cores=cores: cores)
        assert diagnosis.threads().state == state


@pytest.mark.parametrize(("free", "state"), [(1, "wrong"), (5, "warning"), (50, "ok")])
def test_little_disk_is_said(monkeypatch, free, state):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda _: usage(0, 0, free * 2**30))
    assert diagnosis.disk().state == state


def test_a_cache_that_cannot_be_made_names_the_way_out(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "file" / "inside"))
    found = diagnosis.cache()
    assert found.state == "wrong" and "LABELFREE_CACHE" in found.fix


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def domains():
        raise RuntimeError("entry points are broken")

    found = diagnosis._guarded(domains)
    assert found.state == "wrong" and "entry points are broken" in found.fact and found.what == "domains"


def test_the_environment_says_versions_and_hardware_but_no_names(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/labelfree", "run", str(Path.home() / "my recipe.yaml"), "pretrain.minutes=3"])
    found = environment.environment()
    assert found["packages"]["torch"] and "core" in found["hardware"]
    assert found["command"] == "labelfree run '~/my recipe.yaml' pretrain.minutes=3"
    told = json.dumps(found)
    assert str(Path.home()) not in told and socket.gethostname() not in told
    assert getpass.getuser() == "root" or getpass.getuser() not in told


def test_user_and_host_are_taken_out_of_any_text(monkeypatch):
    monkeypatch.setattr(environment, "_user", lambda: "maria")
    monkeypatch.setattr(environment.socket, "gethostname", lambda: "ward7-gpu")
    assert environment.anonymous("/data/maria/x on ward7-gpu") == "/data/<user>/x on <host>"


def test_git_state_names_the_commit():
    state = environment.git_state()
    assert state is None or (len(state["commit"]) == 40 and isinstance(state["changed"], bool))
