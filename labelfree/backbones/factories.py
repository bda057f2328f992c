"""Networks of one's own: `module:factory` names a callable (channels, **options) -> nn.Module of anything that can be imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from labelfree.backbones.base import Backbone
from labelfree.errors import RecipeError
from labelfree.own_code import NAME, current_folder, imported

SIDES = (64, 32, 96, 128)  # pixels of the images that a network is tried on until it takes one


class Factories:
    """Every name of the form `module:factory`; the current folder is looked into last.

    What a factory gives is a `Backbone`, or any network that gives a vector (B, D) or a map (B, D, *grid).
    """

    def knows(self, name: str) -> bool:
        return NAME.fullmatch(name) is not None

    def near(self, name: str) -> list[str]:
        return []

    def make(self, name: str, channels: int, dims: int | None, options: Mapping[str, Any]) -> Backbone:
        with current_folder():
            factory = imported(name, "backbone.name", "network")
            try:
                net = factory(channels, **options)
            except Exception as error:  # whatever a person's code may raise
                given = ", ".join([str(channels), *(f"{key}={value!r}" for key, value in options.items())])
                raise RecipeError(
                    f"backbone.name: {name} failed when called with ({given}): {type(error).__name__}: {error}. "
                    "It is given the number of channels, any, and backbone.options."
                ) from error
        if not isinstance(net, nn.Module) or not any(parameter.requires_grad for parameter in net.parameters()):
            raise RecipeError(f"backbone.name: {name} gives {type(net).__name__}, not a torch.nn.Module with weights to learn.")
        if not isinstance(net, Backbone):
            axes, dim = _tried(net, name, channels, dims)
            net = Backbone(net, name, channels, dims=axes, dim=dim)
        if dims not in (None, net.dims):
            raise RecipeError(f"backbone.name: {name} takes {net.dims} spatial axes, and these images have {dims}.")
        net.name, net.options = name, dict(options)
        return net

    def published(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        raise RecipeError(
            f"backbone.init: there are no published weights for {name}; use init: random or a local weight file, and leave arms that start "
            "from ImageNet out of evaluate.arms."
        )


def _tried(net: nn.Module, name: str, channels: int, dims: int | None) -> tuple[int, int]:
    """How many spatial axes a network takes, `dims` where that is known, and how wide its vectors are: by a look at a few black images."""
    training, like, fault = net.training, next(net.parameters()), ""
    count = 3 if channels == 2 else 2  # not that of the channels: a 3D network would take the images for the channels of one volume
    net.eval()
    try:
        for axes in (2, 3) if dims is None else (dims,):
            for side in SIDES:
                try:
                    with torch.no_grad():
                        out = net(torch.zeros(count, channels, *(side,) * axes, device=like.device))
                except Exception as error:  # whatever a person's code may raise
                    fault = f"of ({channels}, {', '.join([str(side)] * axes)}) ({type(error).__name__}: {str(error).splitlines()[0]})"
                    continue
                shape = tuple(out.shape) if isinstance(out, Tensor) else ()
                if len(shape) not in (2, 2 + axes) or shape[0] != count:
                    told = f"a tensor of shape {shape}" if shape else type(out).__name__
                    raise RecipeError(
                        f"backbone.name: {name} gives {told} for {count} images; it must give a vector ({count}, D) or a map "
                        f"({count}, D, *grid) of features."
                    )
                return axes, shape[1]
    finally:
        net.train(training)
    raise RecipeError(f"backbone.name: {name} takes no images of {dims or '2 or 3'} spatial axes: not {fault}.")
