"""A network around another one: what it changes it says itself, all else is as of the one inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from labelfree.backbones.base import Backbone
from labelfree.domain import Size


class Wrapped(Backbone):
    """`inner` under the name `prefix` + its own, with `more` among its options. A weight file holds the tensors of `inner`."""

    def __init__(self, inner: Backbone, prefix: str, *, dims: int, dim: int, more: Mapping[str, Any]) -> None:
        options = inner.options | dict(more)
        super().__init__(inner.net, prefix + inner.name, inner.channels, dims=dims, dim=dim, token_dim=inner.token_dim, options=options)
        self.inner, self.transformer = inner, inner.transformer
        self.mean, self.std, self.side = inner.mean, inner.std, inner.side
        self.interpolation, self.licence = inner.interpolation, inner.licence

    def param_groups(self) -> list[list[nn.Parameter]]:
        return self.inner.param_groups()

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.inner.own_names(state)

    def patch_embedding(self) -> nn.Module | None:
        return self.inner.patch_embedding()

    @property
    def stem(self) -> str | None:
        return self.inner.stem

    def require_size(self, size: Size, key: str) -> None:
        self.inner.require_size(size, key)
