"""NIfTI-1, NIfTI-2 and Analyze: headers through nibabel, values as stored. One file or a pair, gzipped or not by what they hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.errors import DataError
from labelfree_medical.colours import COLOURS
from labelfree_medical.files.content import beginning, broken, cut_short, empty, unpacked_size, whole
from labelfree_medical.files.places import APART, UNPLACED, corners, placed, steps_of
from labelfree_medical.files.voxels import UNIT, chosen, frame, names_of, plain, times, without_gaps
from labelfree_medical.stored import ImageFiles, Listing, NoImage, Stored

if TYPE_CHECKING:
    import numpy as np

endings = (".nii", ".nii.gz", ".hdr", ".hdr.gz")
LARGEST_HEADER = 540
MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
TIME = {"sec", "msec", "usec"}
INTENT_LABEL, INTENT_TIME_SERIES = 1002, 2001
DISAGREE = "sform and qform place it differently; the sform is taken, and a mask drawn where the qform counts would lie elsewhere."
CHANNELS = "its fourth axis is taken as channels, for it says nothing of time."
TIMES = "its fourth axis is time: each time is an image."


def list_nifti(path: Path) -> Listing:
    """The image of a file, or one for each time. Raises `DataError` naming a file that cannot be trusted."""
    file = _open(path)
    if file is None:
        return Listing(no_images=(NoImage((path,), "a header that is neither NIfTI nor Analyze"),))
    if file.intent == INTENT_LABEL:
        return Listing(no_images=(NoImage(file.files, "a map of labels, as its header says; a table's column mask may name it"),))
    file.check_length()
    notes = [UNPLACED] if file.affine is None and not file.flat else []
    if file.disagrees:
        notes.append(DISAGREE)
    if file.times > 1:
        return Listing(tuple(replace(image, files=file.files) for image in times(path, file.times)), notes=(*notes, TIMES))
    if file.fourth > 1:
        notes.append(CHANNELS)
    return Listing((ImageFiles(path, file.files, "picture" if file.flat else "volume"),), notes=tuple(notes))


def read_nifti(image: ImageFiles) -> Stored:
    """One image; `image.channels` names those along the fourth axis. Raises `DataError` naming the file."""
    file = _required(image.path)
    data = file.voxels(chosen(file.fourth, image, timed=file.times > 1))
    data, measured = without_gaps(plain(data, image.path), image.path)
    channels = COLOURS if file.colour and not image.channels else names_of(len(data), image.channels, image.path)
    scale, offset = ((number,) * len(data) for number in file.scaling)
    if file.flat:
        turned = data[..., 0].swapaxes(1, 2)
        seen = None if measured is None else measured[..., 0].T
        return Stored(turned, channels, scale, offset, UNIT, None, file.spacing and file.spacing[1::-1], seen)
    return Stored(data, channels, scale, offset, UNIT, file.affine, file.spacing, measured)


def frame_nifti(image: ImageFiles) -> Stored:
    """What `read_nifti` gives without its channels: its size and place, by the header alone."""
    file = _required(image.path)
    if file.flat:
        return frame(file.shape[1::-1], UNIT, None, file.spacing and file.spacing[1::-1])
    return frame(file.shape[:3], UNIT, file.affine, file.spacing)


@dataclass
class _File:
    """A header's facts. `shape`: (x, y, z, times or channels, components of a vector)."""

    path: Path
    header: Any
    pair: bool
    files: tuple[Path, ...] = field(init=False)
    shape: tuple[int, ...] = field(init=False)
    affine: np.ndarray | None = field(init=False)
    spacing: tuple[float, ...] | None = field(init=False)
    disagrees: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.files = (self.path, _pixels_beside(self.path)) if self.pair else (self.path,)
        self.shape = self._shape()
        self.dtype = self._dtype()
        unit, self.time_unit = self._units()
        steps = [abs(float(step)) * MM[unit] for step in self.header["pixdim"][1:4]]
        self.spacing = tuple(steps) if all(math.isfinite(step) and step > 0 for step in steps) else None
        self.affine = self._affine(MM[unit])

    @property
    def flat(self) -> bool:
        """Whether it is a picture: its header has two axes."""
        return int(self.header["dim"][0]) <= 2

    @property
    def fourth(self) -> int:
        return self.shape[3]

    @property
    def times(self) -> int:
        """How many images along the fourth axis; 1 where these are channels."""
        step = float(self.header["pixdim"][4])
        tells = self.intent == INTENT_TIME_SERIES or (self.time_unit in TIME and math.isfinite(step) and step > 0)
        return self.fourth if tells or self._weighted else 1

    @property
    def _weighted(self) -> bool:
        """Whether a table of diffusion weightings lies beside it: one volume a weighting."""
        name = self.path.name.lower()
        stem = self.path.name[: -len(next((end for end in (".nii.gz", ".nii", ".hdr.gz", ".hdr") if name.endswith(end)), ""))]
        return self.fourth > 1 and any((self.path.parent / f"{stem}.{end}").is_file() for end in ("bval", "bvals"))

    @property
    def colour(self) -> bool:
        return self.dtype.names is not None

    @property
    def intent(self) -> int:
        return int(self.header["intent_code"]) if "intent_code" in self.header.keys() else 0  # noqa: SIM118  # a header is no mapping

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept; a slope of 0 or NaN says that there are none."""
        if "scl_slope" not in self.header.keys():  # noqa: SIM118
            return 1.0, 0.0
        slope, intercept = float(self.header["scl_slope"]), float(self.header["scl_inter"])
        if not math.isfinite(slope) or slope == 0 or self.colour:
            return 1.0, 0.0
        return slope, intercept if math.isfinite(intercept) else 0.0

    @property
    def start(self) -> int:
        """Where the voxels begin."""
        offset = float(self.header["vox_offset"])
        if not math.isfinite(offset):
            raise broken(self.path, "its header does not say where the voxels begin")
        return max(int(offset), 0 if self.pair else int(self.header.single_vox_offset))

    @property
    def needed(self) -> int:
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    def check_length(self) -> None:
        """Raises `DataError` where the file with the voxels is shorter than its header says; of packed ones only reading tells."""
        size = unpacked_size(self.files[-1])
        if size is not None and size < self.needed:
            raise cut_short(self.files[-1], size, self.needed)

    def voxels(self, number: int | None = None) -> np.ndarray:
        """(C, x, y, z) as stored; `number`: the one of the fourth axis to take, None: all as channels."""
        import numpy as np

        content = whole(self.files[-1])
        if len(content) < self.needed:
            raise cut_short(self.files[-1], len(content), self.needed)
        count = math.prod(self.shape)
        data = np.frombuffer(content, self.dtype, count, self.start).reshape(self.shape, order="F")
        if self.colour:
            data = np.stack([data[name] for name in ("R", "G", "B")], axis=-1)[..., 0, :]
        if number is not None:
            data = data[:, :, :, number : number + 1]
        x, y, z = data.shape[:3]
        return np.moveaxis(data.reshape(x, y, z, -1, order="F"), -1, 0)

    def _shape(self) -> tuple[int, ...]:
        axes = int(self.header["dim"][0])
        sizes = [int(size) for size in self.header["dim"][1 : axes + 1]] if 1 <= axes <= 7 else []
        if not sizes or min(sizes) < 1:
            raise broken(self.path, f"its header has sizes {', '.join(map(str, self.header['dim']))}")
        sizes += [1] * (5 - len(sizes))
        if any(size > 1 for size in sizes[5:]):
            raise DataError(f"{self.path}: has {axes} axes; save each image as a file of three or four axes.")
        return tuple(sizes[:5])

    def _dtype(self) -> np.dtype[Any]:
        import numpy as np
        from nibabel.spatialimages import HeaderDataError

        try:
            dtype: np.dtype[Any] = self.header.get_data_dtype()
        except (HeaderDataError, KeyError):
            dtype = np.dtype("V")
        if not dtype.itemsize or (dtype.kind == "V" and dtype.names is None):
            raise DataError(f"{self.path}: its header names a type of numbers that nothing reads; save it as int16 or float32.")
        return dtype

    def _units(self) -> tuple[str, str]:
        if not hasattr(self.header, "get_xyzt_units"):
            return "unknown", "unknown"
        try:
            unit, time = self.header.get_xyzt_units()
        except KeyError:  # a code that the format does not know
            return "unknown", "unknown"
        return unit, time

    def _affine(self, mm: float) -> np.ndarray | None:
        """(4, 4) in mm, the sform before the qform; None where neither is set, as in all of Analyze."""
        import numpy as np

        if self.flat or not hasattr(self.header, "get_sform"):
            return None
        units = np.diag([mm, mm, mm, 1.0])
        by_sform = self.header.get_sform(coded=True)[0]
        by_qform = self._qform(needed=by_sform is None)
        if by_sform is None and by_qform is not None:
            self.spacing = steps_of(units @ by_qform)
            return units @ by_qform
        if by_sform is None:
            return None
        affine: np.ndarray = units @ placed(by_sform, self.path, "sform")
        self.spacing = steps_of(affine)
        if by_qform is not None:
            apart = np.abs(corners(affine, self.shape[:3]) - corners(units @ by_qform, self.shape[:3])).max()
            self.disagrees = bool(apart > APART * min(steps_of(affine)))
        return affine

    def _qform(self, needed: bool) -> np.ndarray | None:
        """The qform; where it is not needed, one that is broken counts as none."""
        from nibabel.spatialimages import HeaderDataError

        if self.header["pixdim"][0] not in (-1, 1):
            self.header["pixdim"][0] = 1  # as the standard says of 0
        self.header["pixdim"][1:4] = abs(self.header["pixdim"][1:4])
        try:
            affine, code = self.header.get_qform(coded=True)
            return None if not code else placed(affine, self.path, "qform")
        except (DataError, HeaderDataError, ValueError) as error:
            if not needed:
                return None
            if isinstance(error, DataError):
                raise
            what = "its affine (qform) is no rotation and does not place it in space"
            raise DataError(f"{self.path}: {what}; export it again, or set data.on_error=skip.") from error


def _required(path: Path) -> _File:
    """A file's header. Raises `DataError` where it has none."""
    file = _open(path)
    if file is None:
        raise DataError(f"{path}: is neither NIfTI nor Analyze; export it again, or set data.on_error=skip.")
    return file


def _open(path: Path) -> _File | None:
    """A file's header; None for a .hdr of something else. Raises `DataError` naming a file that is broken."""
    import numpy as np
    from nibabel.analyze import AnalyzeHeader
    from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
    from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader

    start = beginning(path, LARGEST_HEADER)
    if not start:
        raise empty(path)
    size = {int(np.frombuffer(start[:4], order)[0]) for order in ("<i4", ">i4")} if len(start) >= 4 else set()
    kind: Any
    if 348 in size:
        magic = start[344:348]
        kind = {b"n+1\0": Nifti1Header, b"ni1\0": Nifti1PairHeader}.get(magic, AnalyzeHeader)
    elif 540 in size:
        kind = {b"n+2\0": Nifti2Header, b"ni2\0": Nifti2PairHeader}.get(start[4:8])
    else:
        kind = None
    if kind is None:
        if ".hdr" in path.name.lower()[-7:]:
            return None
        raise broken(path, "it does not begin with a NIfTI header")
    if len(start) < kind.sizeof_hdr:
        raise cut_short(path, len(start), kind.sizeof_hdr)
    return _File(path, kind(start[: kind.sizeof_hdr], check=False), pair=kind not in (Nifti1Header, Nifti2Header))


def _pixels_beside(path: Path) -> Path:
    """The .img of a .hdr, packed or not."""
    stem = path.name[: path.name.lower().rindex(".hdr")] if ".hdr" in path.name.lower() else path.stem
    for name in (f"{stem}{end}" for end in (".img", ".img.gz", ".IMG")):
        if (path.parent / name).is_file():
            return path.parent / name
    raise DataError(f"{path}: the file with its voxels, {stem}.img, is not beside it; copy both, or set data.on_error=skip.")
