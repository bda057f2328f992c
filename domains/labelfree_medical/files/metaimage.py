"""MetaImage, .mha and .mhd with its data beside it: facts from the header, values through SimpleITK."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.files.content import broken, cut_short, empty
from labelfree_medical.files.places import UNPLACED, affine_of, placed
from labelfree_medical.files.voxels import UNIT, chosen, frame, names_of, plain, times, without_gaps
from labelfree_medical.stored import ImageFiles, Listing, Stored

if TYPE_CHECKING:
    import numpy as np

endings = (".mha", ".mhd")
LONGEST_HEADER = 65_536
LAST = "ElementDataFile"  # of a header; what follows it in a .mha is voxels
TURNS = ("TransformMatrix", "Rotation", "Orientation")
ORIGINS = ("Offset", "Position", "Origin")
BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "LONG": 4, "ULONG": 4, "DOUBLE": 8,
         "LONG_LONG": 8, "ULONG_LONG": 8}  # fmt: skip
TIMES = "its fourth axis is time: each time is an image."


def list_metaimage(path: Path) -> Listing:
    """The image of a file, or one for each time. Raises `DataError` naming a file that cannot be trusted."""
    header = _Header(path)
    header.check_length()
    files = (path, *header.beside)
    if header.flat:
        return Listing((ImageFiles(path, files, "picture"),))
    notes = [UNPLACED] if header.affine is None else []
    if header.times > 1:
        return Listing(tuple(replace(image, files=files) for image in times(path, header.times)), notes=(*notes, TIMES))
    return Listing((ImageFiles(path, files, "volume"),), notes=tuple(notes))


def read_metaimage(image: ImageFiles) -> Stored:
    """One image. Raises `DataError` naming the file."""
    import numpy as np
    import SimpleITK

    path, header = image.path, _Header(image.path)
    header.check_length()
    header.check_packed()
    try:
        read = SimpleITK.ReadImage(str(path), imageIO="MetaImageIO")
        data = SimpleITK.GetArrayFromImage(read)
    except RuntimeError as error:
        raise broken(path, str(error).strip().splitlines()[-1]) from error
    colours = read.GetNumberOfComponentsPerPixel()
    data = data if colours > 1 else data[..., None]
    if header.times > 1:
        number = chosen(header.times, image)
        data = np.moveaxis(data[..., 0], 0, -1) if number is None else data[number]
    data = np.moveaxis(data, -1, 0)
    data, measured = without_gaps(plain(data, path), path)
    channels = COLOURS if len(data) == 3 and header.unsigned_bytes and not image.channels else names_of(len(data), image.channels, path)
    ones, zeros = (1.0,) * len(data), (0.0,) * len(data)
    if header.flat:
        return Stored(data, channels, ones, zeros, UNIT, None, header.spacing[::-1], measured)
    data = data.transpose(0, 3, 2, 1)  # x first, as the affine has it
    seen = None if measured is None else measured.transpose(2, 1, 0)
    return Stored(data, channels, ones, zeros, UNIT, header.affine, header.spacing[:3], seen)


def frame_metaimage(image: ImageFiles) -> Stored:
    """What `read_metaimage` gives without its channels: its size and place, by the header alone."""
    header = _Header(image.path)
    if header.flat:
        return frame(tuple(header.sizes[::-1]), UNIT, None, header.spacing[::-1])
    return frame(tuple(header.sizes[:3]), UNIT, header.affine, header.spacing[:3])


class _Header:
    """What the header's lines say. Raises `DataError` where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER)
        if not start:
            raise empty(path)
        self.lines, self.length = self._parse(start)
        try:
            axes = int(self.lines["NDims"])
            self.sizes = [int(size) for size in self.lines["DimSize"].split()]
            self.channels = int(self.lines.get("ElementNumberOfChannels", "1"))
        except (KeyError, ValueError) as error:
            raise broken(path, f"its header has no good {error}") from error
        if len(self.sizes) != axes or axes not in (2, 3, 4) or min(self.sizes) < 1:
            raise broken(path, f"its header has {axes} axes of sizes {self.lines['DimSize']}")
        self.spacing = self._spacing(axes)
        self.affine = None if self.flat else self._affine(axes)
        self.beside = self._pixels_beside()

    @property
    def flat(self) -> bool:
        return len(self.sizes) == 2

    @property
    def times(self) -> int:
        return self.sizes[3] if len(self.sizes) == 4 else 1

    @property
    def unsigned_bytes(self) -> bool:
        return self._type == "UCHAR"

    @property
    def packed(self) -> bool:
        return self.lines.get("CompressedData", "False").lower() == "true"

    @property
    def needed(self) -> int | None:
        """How many bytes the voxels take; None for a type that is not known."""
        size = BYTES.get(self._type)
        return None if size is None else math.prod(self.sizes) * self.channels * size

    def check_length(self) -> None:
        """Raises `DataError` where there are fewer bytes than voxels: ITK would fill the rest with anything."""
        if self.needed is None or self._text or len(self.beside) > 1:
            return
        size, start = self._voxel_bytes()
        least = int(self.lines.get("CompressedDataSize", "0")) if self.packed else self.needed
        if size - start < least:
            raise cut_short(self.beside[0] if self.beside else self.path, size, start + least)

    def check_packed(self) -> None:
        """Raises `DataError` where what is packed does not unpack to as many bytes as there are voxels."""
        if self.needed is None or not self.packed or len(self.beside) > 1:
            return
        file, start = (self.beside[0] if self.beside else self.path), self._voxel_bytes()[1]
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            held = len(unpack.decompress(file.read_bytes()[start:]))
        except zlib.error as error:
            raise broken(file, error) from error
        if held < self.needed:
            raise cut_short(file, held, self.needed)

    @property
    def _type(self) -> str:
        return self.lines.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY")

    @property
    def _text(self) -> bool:
        return self.lines.get("BinaryData", "True").lower() == "false"

    def _voxel_bytes(self) -> tuple[int, int]:
        """Size of the file with the voxels, and where they begin in it."""
        if not self.beside:
            return self.path.stat().st_size, self.length
        size = self.beside[0].stat().st_size
        skip = int(self.lines.get("HeaderSize", "0"))
        return size, (size - (self.needed or 0) if skip == -1 else skip)

    def _parse(self, start: bytes) -> tuple[dict[str, str], int]:
        lines, length = dict[str, str](), 0
        for line in start.splitlines(keepends=True):
            length += len(line)
            key, equals, value = line.decode("utf-8", errors="replace").partition("=")
            if not equals:
                break
            lines[key.strip()] = value.strip()
            if key.strip() == LAST:
                return lines, length
        raise broken(self.path, f"its header ends before {LAST}")

    def _numbers(self, keys: tuple[str, ...], count: int) -> list[float] | None:
        text = next((self.lines[key] for key in keys if key in self.lines), None)
        if text is None:
            return None
        try:
            numbers = [float(number) for number in text.split()]
        except ValueError as error:
            raise broken(self.path, error) from error
        if len(numbers) != count:
            raise broken(self.path, f"its header has {len(numbers)} numbers for {' or '.join(keys)}")
        return numbers

    def _spacing(self, axes: int) -> tuple[float, ...]:
        spacing = self._numbers(("ElementSpacing", "ElementSize"), axes) or [1.0] * axes
        if not all(math.isfinite(step) and step > 0 for step in spacing):
            where = f"its spacing {' '.join(map(str, spacing))} does not place it in space"
            raise DataError(f"{self.path}: {where}; export it again, or set data.on_error=skip.")
        return tuple(spacing)

    def _affine(self, axes: int) -> np.ndarray | None:
        """(4, 4); None where neither turn nor origin stands in the header. A row of the matrix is an axis of the image, in LPS."""
        import numpy as np

        turn, origin = self._numbers(TURNS, axes * axes), self._numbers(ORIGINS, axes)
        if turn is None and origin is None:
            return None
        rows = np.eye(axes) if turn is None else np.reshape(turn, (axes, axes))
        steps = rows[:3, :3].T * np.asarray(self.spacing[:3])
        return placed(affine_of(steps, np.asarray((origin or [0.0] * axes)[:3])), self.path, "TransformMatrix")

    def _pixels_beside(self) -> tuple[Path, ...]:
        """Files that hold the voxels, none where they follow the header. Raises `DataError` where one is missing."""
        name = self.lines[LAST]
        if name.upper() == "LOCAL":
            return ()
        if name.upper().startswith("LIST"):
            text = self.path.read_text(encoding="utf-8", errors="replace")
            names = [line.strip() for line in text.splitlines()[len(self.lines) :] if line.strip()]
        elif "%" in name:
            try:
                pattern, *span = name.split()
                first, last, step = (*map(int, span), *(1, self.sizes[-1], 1)[len(span) :])
                names = [pattern % number for number in range(first, last + 1, step)]
            except (TypeError, ValueError) as error:
                raise broken(self.path, f"{LAST} = {name} names no files") from error
        else:
            names = [name]
        files = tuple(self.path.parent / name for name in names)
        if missing := [file for file in files if not file.is_file()]:
            raise DataError(
                f"{self.path}: the file with its voxels, {missing[0].name}, is not there; copy both, or set data.on_error=skip."
            )
        return files
