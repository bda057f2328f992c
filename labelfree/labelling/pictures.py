"""Images as their domain previews them, as PNG made when asked for; the last ones are kept in memory, none on disk."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from labelfree.errors import DataError

if TYPE_CHECKING:
    from labelfree.domain import Domain, Row

LARGE, SMALL = 4096, 160  # longest sides in pixels: to look into, and to glance at
KEPT = 256 * 2**20  # bytes of PNG


class Pictures:
    """PNG files of rows, made by one thread at a time."""

    def __init__(self, domain: Domain, most: int = KEPT) -> None:
        self.domain, self.most = domain, most
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._mutex = threading.Lock()

    def png(self, row: Row, longest: int) -> bytes:
        """The row's picture, at most `longest` pixels along a side. Raises `DataError`, naming the file that cannot be shown."""
        with self._mutex:
            key = (row.id, longest, _changed(row))
            made = self._kept.pop(key, None) or self._made(row, longest)
            self._kept[key] = made
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self.most:
                self._kept.popitem(last=False)
            return made

    def _made(self, row: Row, longest: int) -> bytes:
        import numpy as np
        from PIL import Image

        from labelfree.data.pool import read_sample

        sample = read_sample(self.domain.read, row)
        if isinstance(sample, DataError):
            raise sample
        picture = Image.fromarray(np.ascontiguousarray(self.domain.preview(sample)))
        picture.thumbnail((longest, longest))
        stream = io.BytesIO()
        picture.save(stream, "png", compress_level=1)
        return stream.getvalue()


def _changed(row: Row) -> int:
    """When the file was last changed: another picture then. Raises `DataError` where it is gone."""
    if row.remote is not None or "#" in row.path.name:  # an address, or an item of an archive
        return 0
    try:
        return row.path.stat().st_mtime_ns
    except OSError as error:
        reason = "is no longer there" if isinstance(error, FileNotFoundError) else error.strerror
        raise DataError(f"{row.path}: {reason}; put it back, or skip it.") from error
