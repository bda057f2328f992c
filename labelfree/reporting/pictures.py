"""Pictures of a run, saved as PNG from uint8 arrays, and put into the page small. File names never come from data."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.errors import DataError
from labelfree.training.files import read_json, write_json

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

GAP = 4  # pixels between the tiles of a grid
SMALLEST = 96  # pixels of the longest side, below which nothing is to be seen


@dataclass(frozen=True)
class Shot:
    """One picture with what is said of it.

    `image`: (H, W, 3) uint8. `label`: its class. `similarity`: cosine to the query, of a neighbour.
    """

    image: np.ndarray
    label: str = ""
    similarity: float | None = None


@dataclass(frozen=True)
class TokenGrid:
    """Pictures of what a network sees, an image a row: each (H, W, 3) uint8; `columns` say what stands in them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[np.ndarray]]


def save_picture(array: np.ndarray, path: Path) -> None:
    """One picture (H, W, 3) uint8, or (H, W) gray, as PNG."""
    from PIL import Image

    _save(Image.fromarray(array) if array.ndim == 2 else _image(array), path)


def save_views(folder: Path, name: str, rows: Sequence[Sequence[np.ndarray]], columns: Sequence[str], side: int = 96) -> Path:
    """One grid, an image a row: the source first, then its views. Smaller views stay smaller, as the network has them.

    Args: `rows`: images (H, W, 3) uint8, all rows of one length; `columns`: what each column is; `side`: pixels of the largest tile.
    Writes pictures/views-<name>.png and an entry in pictures/views.json.
    """
    path = folder / "pictures" / f"views-{_plain(name)}.png"
    _save(_grid(name, rows, columns, side), path)
    index = path.with_name("views.json")
    known: dict[str, Any] = read_json(index) if index.is_file() else {}
    known[path.name] = {"name": name, "columns": list(columns), "images": len(rows)}
    write_json(index, known)
    return path


def save_tokens(folder: Path, arms: Mapping[str, Sequence[TokenGrid]], side: int = 96) -> Path:
    """What the network of each arm sees in the same images: grids of one name for all arms.

    Writes pictures/tokens/<arm>-<n>.png and pictures/tokens.json, anew.
    """
    there = folder / "pictures" / "tokens"
    index: dict[str, Any] = {}
    for arm, grids in arms.items():
        index[arm] = []
        for number, grid in enumerate(grids):
            name = f"{_plain(arm)}-{number}.png"
            _save(_grid(arm, grid.rows, grid.columns, side), there / name)
            facts = {"file": f"tokens/{name}", "title": grid.title, "columns": list(grid.columns), "images": len(grid.rows)}
            index[arm].append(facts)
    path = folder / "pictures" / "tokens.json"
    write_json(path, index)
    return path


def save_neighbours(folder: Path, queries: Sequence[Shot], neighbours: Mapping[str, Sequence[Sequence[Shot]]]) -> Path:
    """For each query, the nearest other images by each arm; the same queries for all arms, so that they compare.

    Args: `neighbours`: arm -> for each query its neighbours, nearest first.
    Writes pictures/neighbours/*.png and neighbours.json.
    """
    there = folder / "pictures" / "neighbours"

    def kept(shot: Shot, name: str) -> dict[str, Any]:
        _save(_image(shot.image), there / name)
        entry: dict[str, Any] = {"file": f"neighbours/{name}", "label": shot.label}
        return entry if shot.similarity is None else entry | {"similarity": round(float(shot.similarity), 4)}

    index: dict[str, Any] = {"queries": [kept(query, f"query-{q}.png") for q, query in enumerate(queries)], "arms": {}}
    for arm, lists in neighbours.items():
        if len(lists) != len(queries):
            raise DataError(f"neighbours of {arm}: {len(lists)} lists for {len(queries)} queries; give one list for each query.")
        index["arms"][arm] = [[kept(shot, f"{_plain(arm)}-{q}-{n}.png") for n, shot in enumerate(shots)] for q, shots in enumerate(lists)]
    path = folder / "neighbours.json"
    write_json(path, index)
    return path


def save_leak_pairs(folder: Path, pairs: Sequence[tuple[np.ndarray, np.ndarray]], side: int = 128) -> list[Path]:
    """Each pair side by side (pool left, scored right) as pictures/leaks/<n>.png; arrays are (H, W, 3) uint8."""
    from PIL import Image

    saved = []
    for number, pair in enumerate(pairs):
        both = Image.new("RGB", (2 * side + GAP, side), "white")
        for place, image in enumerate(pair):
            both.paste(_image(image).resize((side, side), Image.Resampling.BICUBIC), (place * (side + GAP), 0))
        saved.append(folder / "pictures" / "leaks" / f"{number:03d}.png")
        _save(both, saved[-1])
    return saved


class Album:
    """Embeds pictures as data URIs until `limit` bytes are spent, so that a page stays easy to mail; counts what it left out."""

    def __init__(self, limit: int = 1_400_000) -> None:
        self.left, self.omitted = limit, 0

    def uri(self, path: Path, longest: int = 900) -> str | None:
        """The picture as a data URI, JPEG where that is smaller; None when the page is full or the file is not a picture."""
        coded = _data_uri(path, longest)
        if len(coded) > self.left:
            self.omitted += 1
            return None
        self.left -= len(coded)
        return coded

    def uris(self, paths: Sequence[Path], longest: int) -> list[str]:
        """Pictures that belong together, up to `longest` pixels a side; all smaller where they would fill over half of what is left."""
        coded = [_data_uri(path, longest) for path in paths]
        while sum(map(len, coded)) > self.left // 2 and longest > SMALLEST:
            longest = longest * 3 // 4
            coded = [_data_uri(path, longest) for path in paths]
        self.left -= sum(map(len, coded))
        return coded


def _data_uri(path: Path, longest: int) -> str:
    """A picture of up to `longest` pixels a side. Raises DataError where the file is none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: not a picture that can be opened ({error}). Delete it, or run again.") from error
    picture.thumbnail((longest, longest))
    best: tuple[bytes, str] | None = None
    for kind, options in (("jpeg", {"quality": 88, "subsampling": 0}), ("png", {})):
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        if best is None or stream.tell() < len(best[0]):
            best = stream.getvalue(), kind
    assert best is not None
    return f"data:image/{best[1]};base64,{base64.b64encode(best[0]).decode()}"


def _grid(name: str, rows: Sequence[Sequence[np.ndarray]], columns: Sequence[str], side: int) -> Image:
    """Pictures in rows, the largest `side` pixels; smaller ones stay smaller."""
    import numpy as np
    from PIL import Image

    largest = max(max(image.shape[:2]) for row in rows for image in row)
    times = side / largest
    grid = Image.new("RGB", ((side + GAP) * len(columns) - GAP, (side + GAP) * len(rows) - GAP), "white")
    for top, row in enumerate(rows):
        if len(row) != len(columns):
            raise DataError(
                f"views of {name}: row {top} has {len(row)} pictures for {len(columns)} columns; give each the same number of views."
            )
        for left, image in enumerate(row):
            tile = Image.fromarray(np.ascontiguousarray(_checked(image)))
            tile = tile.resize((max(1, round(tile.width * times)), max(1, round(tile.height * times))), Image.Resampling.BICUBIC)
            corner = (left * (side + GAP) + (side - tile.width) // 2, top * (side + GAP) + (side - tile.height) // 2)
            grid.paste(tile, corner)
    return grid


def _image(array: np.ndarray) -> Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(_checked(array)))


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype != "uint8" or array.ndim != 3 or array.shape[-1] != 3:
        raise DataError(f"a picture must be (H, W, 3) uint8, this is {array.shape} {array.dtype}; pass what `Domain.preview` gives.")
    return array


def _plain(name: str) -> str:
    """A file name from an arm's name."""
    return "".join(letter if (letter.isalnum() and letter.isascii()) or letter in "+-_" else "_" for letter in name)


def _save(image: Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "png", compress_level=3)  # a third of the time of the smallest file, which is a tenth smaller
