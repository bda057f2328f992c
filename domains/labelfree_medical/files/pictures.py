"""PNG, JPEG and the like: 8 bits through Pillow, 16 bits through SimpleITK, upright as their EXIF says, transparency never a channel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.files.content import broken, empty
from labelfree_medical.files.voxels import GRAY, UNIT, frame, names_of
from labelfree_medical.stored import ImageFiles, Listing, Stored

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

endings = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2")
ORIENTATION = 274  # EXIF's tag
OPAQUE = 128  # of 255: the edge of a soft mask is where half shows through
PNG16 = 16


def list_picture(path: Path) -> Listing:
    """The picture, unopened. Raises `DataError` naming a file without a byte."""
    if not path.stat().st_size:
        raise empty(path)
    return Listing((ImageFiles(path, (path,), "picture"),))


def read_picture(image: ImageFiles) -> Stored:
    """(C, rows, columns) of 8 or 16 bits: gray, or red, green and blue. Raises `DataError` naming a file that is broken."""
    from PIL import Image

    path = image.path
    if not path.stat().st_size:
        raise empty(path)
    try:
        with Image.open(path) as picture:
            turn = picture.getexif().get(ORIENTATION, 1)
            data, clear = _deep(path) if _is_deep(path) else _shallow(picture)
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: is larger than a picture of a patient ({error}); cut it into parts.") from error
    except ImportError:
        raise
    except Exception as error:  # decoders raise whatever they like at broken bytes
        raise broken(path, error) from error
    return picture_of(upright(data, turn), None if clear is None else upright(clear, turn), image)


def frame_picture(image: ImageFiles) -> Stored:
    """What `read_picture` gives without its channels: its size, by the header alone. Raises `DataError` naming a file that has none."""
    from PIL import Image

    try:
        with Image.open(image.path) as picture:
            columns, rows = picture.size
            lying = picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:  # decoders raise whatever they like at broken bytes
        raise broken(image.path, error) from error
    return frame((columns, rows) if lying else (rows, columns), UNIT, None, None)


def picture_of(data: np.ndarray, clear: np.ndarray | None, image: ImageFiles) -> Stored:
    """(rows, columns[, C]) as `Stored`; of 8 bits as a screen shows it, 0 to 1, of more as stored.

    `clear`: (rows, columns) bool, where it is transparent; one that hides a whole picture with contents was not meant, and hides nothing.
    """
    import numpy as np

    pixels = np.ascontiguousarray(data[None] if data.ndim == 2 else np.moveaxis(data, -1, 0))
    if clear is not None and (not clear.any() or (clear.all() and np.ptp(pixels) > 0)):
        clear = None
    known = {1: GRAY, 3: COLOURS}.get(len(pixels)) if not image.channels else None
    channels = known or names_of(len(pixels), image.channels, image.path)
    screen = pixels.dtype == np.uint8
    scale, unit = (1 / 255, "display") if screen else (1.0, UNIT)
    measured = None if clear is None else np.ascontiguousarray(~clear)
    return Stored(pixels, channels, (scale,) * len(pixels), (0.0,) * len(pixels), unit, measured=measured)


def upright(data: np.ndarray, orientation: int) -> np.ndarray:
    """(rows, columns[, C]) turned and mirrored as EXIF's or TIFF's tag 274 says that it is shown; other numbers leave it as it is."""
    if orientation in (5, 6, 7, 8):
        data = data.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        data = data[::-1]
    if orientation in (2, 3, 6, 7):
        data = data[:, ::-1]
    return data


def _shallow(picture: Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels of 8 bits, or of a gray picture of more, and where it is transparent."""
    import numpy as np

    if picture.mode.startswith(("I", "F")):
        return np.array(picture), None
    clear = np.array(picture.convert("RGBA").getchannel("A")) < OPAQUE if picture.has_transparency_data else None
    gray = picture.mode in ("1", "L", "LA") or (picture.mode == "P" and _gray_palette(picture))
    return np.array(picture.convert("L" if gray else "RGB")), clear


def _gray_palette(picture: Image) -> bool:
    import numpy as np

    colours = np.array(picture.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _is_deep(path: Path) -> bool:
    """Whether it is a PNG of 16 bits: Pillow narrows those with colours or transparency to 8 without a word; the header tells them."""
    with path.open("rb") as file:
        head = file.read(25)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 25 and head[24] == PNG16


def _deep(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels of 16 bits, and where they are transparent."""
    import SimpleITK

    data = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="PNGImageIO"))
    if data.ndim == 2 or data.shape[-1] == 3:
        return data, None
    pixels, alpha = data[..., :-1], data[..., -1]
    return (pixels[..., 0] if pixels.shape[-1] == 1 else pixels), alpha < 2**15
