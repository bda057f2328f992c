"""PNG, JPEG, JPEG 2000, BMP and WebP: 8 bits through Pillow, more through imagecodecs, for Pillow narrows 16-bit colours to 8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree_inspection.files.picture import Picture, lacking, picture_of

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

PNG_DEPTH = 24  # where the bits of a sample stand in a PNG
DEEP = 16
JPEG_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # markers that tell precision and size


def decode_png(path: Path, page: int | None) -> Picture:
    """A PNG of 1 to 16 bits. Of 1 bit its numbers are 0 and 1."""
    with path.open("rb") as file:
        depth = file.read(PNG_DEPTH + 1)[PNG_DEPTH]
    return picture_of(_codecs(path).png_decode(path.read_bytes()), path) if depth == DEEP else _shallow(path)


def decode_jpeg(path: Path, page: int | None) -> Picture:
    """A JPEG of 8 bits, or of 12 and lossless ones of more."""
    precision = _jpeg_precision(path)
    if precision == 8:
        return _shallow(path)
    return picture_of(_codecs(path).jpeg_decode(path.read_bytes()), path, bits=precision)


def decode_jpeg2000(path: Path, page: int | None) -> Picture:
    """A JPEG 2000 of any depth."""
    return picture_of(_codecs(path).jpeg2k_decode(path.read_bytes()), path)


def decode_other(path: Path, page: int | None) -> Picture:
    """What Pillow alone reads, of 8 bits at most."""
    return _shallow(path)


def size(path: Path, page: int | None) -> tuple[int, int]:
    """(rows, columns)."""
    with opened(path) as picture:
        return picture.height, picture.width


def opened(path: Path) -> Image:
    """The file, not yet decoded. Pillow's `open` refuses pictures of 180 megapixels, which line scanners write."""
    from PIL import Image, UnidentifiedImageError

    Image.init()
    with path.open("rb") as file:
        head = file.read(16)
    for kind in Image.ID:
        make, accepts = Image.OPEN[kind]
        if accepts is None or accepts(head) not in (True, 1):
            continue
        try:
            return make(path.open("rb"), str(path))
        except (SyntaxError, IndexError, TypeError):
            continue
    raise UnidentifiedImageError("cannot identify image file")


def _shallow(path: Path) -> Picture:
    """Of 8 bits and fewer. Palettes become the colours that they mean, or gray where all of these are."""
    import numpy as np

    with opened(path) as picture:
        if picture.mode == "1":
            return picture_of(np.array(picture), path, bits=1)
        if picture.mode.startswith(("I", "F")):
            return picture_of(np.array(picture), path)
        gray = picture.mode in ("L", "LA") or (picture.mode == "P" and _gray_palette(picture))
        if picture.has_transparency_data:
            return picture_of(_with_alpha(picture, gray), path, alpha=True)
        return picture_of(np.array(picture.convert("L" if gray else "RGB")), path, alpha=False)


def _with_alpha(picture: Image, gray: bool) -> np.ndarray:
    """(rows, columns, 2 or 4): the last is opacity."""
    import numpy as np

    samples = np.array(picture.convert("RGBA"))
    return samples[..., [0, 3]] if gray else samples


def _gray_palette(picture: Image) -> bool:
    import numpy as np

    colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _jpeg_precision(path: Path) -> int:
    """Bits of a sample, as the header of its frame says; 8 where none is found."""
    with path.open("rb") as file:
        file.seek(2)
        while len(head := file.read(4)) == 4 and head[0] == 0xFF:
            if head[1] in JPEG_FRAMES:
                return int.from_bytes(file.read(1), "big") or 8
            file.seek(int.from_bytes(head[2:], "big") - 2, 1)
    return 8


def _codecs(path: Path) -> Any:
    """imagecodecs. Raises `DataError` with the line that installs it."""
    try:
        import imagecodecs
    except ImportError as error:
        raise lacking(path, "imagecodecs") from error
    return imagecodecs
