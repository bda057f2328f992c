"""Views of labelled tiles that a recipe names as code of one's own: a transform of albumentations, or an op of labelfree."""

from __future__ import annotations

from collections.abc import Callable

from labelfree.errors import RecipeError
from labelfree.own_code import NAME, current_folder, imported
from labelfree.pipeline.starts import Starts
from labelfree.views import Geometry
from labelfree.views.from_albumentations import FromAlbumentations, is_transform

KEY = "evaluate.tile_views"


def own_tile_views(name: str, starts: Starts) -> Geometry:
    """What the function `name` gives, for the images that `starts` knows. Raises RecipeError for what cannot be used on them."""
    with current_folder():
        made = require_factory(name)()
    if isinstance(made, Geometry):
        return made
    if not is_transform(made):
        raise RecipeError(f"{KEY}: {name} gives {type(made).__name__}, not a transform of albumentations or a labelfree.views.Geometry.")
    images = starts.fingerprint
    if images.dtype != "uint8" or len(images.channels) not in (1, 3) or starts.dims != 2:
        held = f"{len(images.channels)} channels of {images.dtype}" + ("" if starts.dims == 2 else " in volumes")
        raise RecipeError(
            f"{KEY}: albumentations is used on pictures of 1 or 3 channels of 8 bits, these images have {held}; leave the key out, or "
            "give a labelfree.views.Geometry."
        )
    return FromAlbumentations(made, starts.scale, starts.offset)


def require_factory(name: str) -> Callable[[], object]:
    """The function called `name`. Raises RecipeError where there is none."""
    if not NAME.fullmatch(name):
        raise RecipeError(f"{KEY}: {name!r} names no function; write module:function, as in my_views:transform.")
    with current_folder():
        return imported(name, KEY, "transform")
