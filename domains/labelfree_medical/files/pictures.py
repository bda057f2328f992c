"""PNG, JPEG and the like: upright as their EXIF says, 16 bits kept, transparency never a channel."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS, GRAY
from labelfree_medical.files.content import broken, empty
from labelfree_medical.files.voxels import UNIT, frame, names_of
from labelfree_medical.stored import ImageFiles, Listing, Stored

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

endings = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".jp2")
ORIENTATION = 274  # EXIF's tag
OPAQUE = 128  # of 255: the edge of a soft mask is where half shows through
PNG16 = 16  # bits of a sample, in a PNG's header
PNG_GRAY, PNG_GRAY_ALPHA, PNG_RGBA = 0, 4, 6  # what its samples are


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
    except (DataError, ImportError):
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
    """Whether it is a PNG of 16 bits with colours or transparency, which Pillow narrows to 8 without a word; the header tells them."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) == 26 and head[24] == PNG16 and head[25] != PNG_GRAY


def _deep(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels of 16 bits, (rows, columns[, 3]), and where they are transparent."""
    import numpy as np
    import SimpleITK
    from PIL import Image

    content = bytearray(path.read_bytes())
    if content[25] == PNG_GRAY_ALPHA:  # no library reads both samples; as four of 8 bits the same bytes lie in the same places
        content[24:26] = 8, PNG_RGBA
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
        with Image.open(io.BytesIO(content)) as picture:
            data = np.array(picture).view(">u2").astype(np.uint16)
        return data[..., 0], data[..., 1] < 2**15
    data = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path), imageIO="PNGImageIO"))
    return data[..., :3], data[..., 3] < 2**15 if data.shape[-1] == 4 else None
