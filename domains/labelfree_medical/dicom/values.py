"""Pixels of a DICOM file as numbers, and what its header says of them: bits, padding, tables, rescaling, unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.errors import DataError
from labelfree_medical.dicom.elements import first_item, number, numbers, text, value_of, whole
from labelfree_medical.dicom.quiet import quiet_pydicom
from labelfree_medical.dicom.syntaxes import syntax_fault

NOTHING_BELOW = -1500.0  # HU: air is -1000, and its noise some hundred more
PET_UNITS = {"BQML": "Bq/ml", "GML": "SUV", "CNTS": "counts", "": "stored"}
AMOUNTS = ("CT", "MR", "PT", "NM")  # numbers that mean an amount: which of them are shown bright is no property of theirs
PHILIPS_SLOPE = 0x2005100E
PHILIPS = "Philips: numbers are as displayed; the scanner's own scaling (2005,100E) is not applied, so amounts compare within an image only"
UNRESCALED = "CT without a rescale: its numbers are taken as stored, not as HU"
OUTSIDE = f"numbers below {NOTHING_BELOW:g} HU are no measurement (outside the field of view)"


@dataclass(frozen=True)
class Values:
    """`numbers`: (frames, rows, columns), or (frames, rows, columns, 3) of red, green and blue, as stored but for bits that hold nothing.

    Physical are numbers * `slopes` + `intercepts`, one a frame, in `unit`. `measured`: (frames, rows, columns) bool, None: everywhere.
    """

    numbers: np.ndarray
    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    unit: str
    measured: np.ndarray | None
    notes: tuple[str, ...]


def read_dataset(path: Path) -> Any:
    """A whole file. Raises `DataError` naming it when it cannot be opened or read."""
    pydicom = quiet_pydicom()
    try:
        dataset = pydicom.dcmread(path, force=True)
        if not text(dataset.file_meta, "TransferSyntaxUID"):  # written without file meta information
            implicit, little = dataset.original_encoding
            plain = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
            dataset.file_meta.TransferSyntaxUID = plain if little else pydicom.uid.ExplicitVRBigEndian
        return dataset
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file; correct the path in the table, or data.root.") from error
    except Exception as error:  # pydicom raises whatever broken bytes make it raise
        raise DataError(f"{path}: cannot be read as DICOM ({_first_line(error)}); fetch it again, or set data.on_error=skip.") from error


def values_of(dataset: Any, path: Path, frame: int | None = None, picture: bool = False) -> Values:
    """The pixels of a file, or of one frame of it. `picture`: MONOCHROME1 is inverted, so that more is brighter in every picture.

    Raises `DataError` naming the file where they cannot be decoded.
    """
    raw = _decoded(dataset, path, frame)
    try:
        return _understood(raw, dataset, frame, picture)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # headers hold anything
        why = f"its header says nothing sensible of its pixels ({_first_line(error)})"
        raise DataError(f"{path}: {why}; fetch it again, remove it, or set data.on_error=skip.") from error


def _understood(raw: np.ndarray, dataset: Any, frame: int | None, picture: bool) -> Values:
    """Decoded pixels by what the header says of them."""
    frames = [frame] if frame is not None else list(range(len(raw)))
    photometric, modality = text(dataset, "PhotometricInterpretation").upper(), text(dataset, "Modality").upper()
    if raw.ndim == 4:
        return Values(raw, (1.0,) * len(raw), (0.0,) * len(raw), "stored", None, ())
    cleaned = raw if raw.dtype.kind == "f" else _stored_bits(raw, dataset)
    padded = _padded(raw, cleaned, dataset)
    if photometric == "PALETTE COLOR":
        return Values(_coloured(cleaned, dataset), (1.0,) * len(raw), (0.0,) * len(raw), "stored", _not(padded), ())
    bits = _bits(dataset, raw)
    table = first_item(dataset, "ModalityLUTSequence")
    if table is not None:
        cleaned, bits = _looked_up(cleaned, dataset, table, "LUTDescriptor", "LUTData")
        scales = [(1.0, 0.0)] * len(frames)
    else:
        scales = [_rescale(dataset, each) for each in frames]
    if photometric == "MONOCHROME1" and picture and modality not in AMOUNTS and cleaned.dtype.kind != "f":
        cleaned = _inverted(cleaned, bits)
    unit, notes = _unit(dataset, modality, table)
    slopes, intercepts = (tuple(each[part] for each in scales) for part in (0, 1))
    if unit == "HU" and _any_below(cleaned, slopes, intercepts):
        below = cleaned * _per_frame(slopes) + _per_frame(intercepts) < NOTHING_BELOW
        if padded is None or (below & ~padded).any():
            notes = (*notes, OUTSIDE)
        padded = below if padded is None else padded | below
    return Values(cleaned, slopes, intercepts, unit, _not(padded), notes)


def _decoded(dataset: Any, path: Path, frame: int | None) -> np.ndarray:
    """(frames, rows, columns) or (frames, rows, columns, 3), as the file holds them, colours as red, green and blue."""
    pydicom = quiet_pydicom()
    syntax = dataset.file_meta.TransferSyntaxUID
    if fault := syntax_fault(str(syntax)):
        raise DataError(f"{path}: {fault}, or set data.on_error=skip.")
    options: dict[str, Any] = {} if syntax.is_encapsulated else {"correct_unused_bits": False}  # pydicom does not look at HighBit
    several = max(1, whole(dataset, "NumberOfFrames")) > 1 and frame is None
    try:
        if (plain := _plain(dataset)) is not None:
            return plain if frame is None else plain[frame : frame + 1]
        pixels = np.asarray(pydicom.pixels.pixel_array(dataset, index=frame, **options))
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # decoders raise whatever broken bytes make them raise; one in Rust panics, which is no Exception
        why = f"its pixels cannot be decoded as {syntax.name} ({_first_line(error)})"
        raise DataError(f"{path}: {why}; fetch it again, remove it, or set data.on_error=skip.") from error
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return pixels if several else pixels[None]


def _plain(dataset: Any) -> np.ndarray | None:
    """(frames, rows, columns) of uncompressed numbers, None where the file holds anything else.

    Most files of an archive are such, and pydicom's way takes them as long as opening the file.
    """
    bits, little = whole(dataset, "BitsAllocated"), dataset.original_encoding[1] is not False
    compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    if compressed or not little or bits not in (8, 16, 32) or whole(dataset, "SamplesPerPixel") != 1 or "PixelData" not in dataset:
        return None
    shape = (max(1, whole(dataset, "NumberOfFrames")), whole(dataset, "Rows"), whole(dataset, "Columns"))
    dtype = np.dtype(f"<{'i' if whole(dataset, 'PixelRepresentation') else 'u'}{bits // 8}")
    return np.frombuffer(dataset.PixelData, dtype, count=math.prod(shape)).reshape(shape).copy()


def _first_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


def _bits(dataset: Any, raw: np.ndarray) -> int:
    """How many bits of each number hold it."""
    allocated = 8 * raw.dtype.itemsize
    stored = whole(dataset, "BitsStored")
    return stored if 0 < stored < allocated else allocated


def _stored_bits(raw: np.ndarray, dataset: Any) -> np.ndarray:
    """Numbers without the bits above HighBit and below the lowest stored one, which old files use for other things."""
    allocated = 8 * raw.dtype.itemsize
    stored = _bits(dataset, raw)
    high = whole(dataset, "HighBit") if value_of(dataset, "HighBit") is not None else stored - 1
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated or stored == allocated:
        return raw
    high = high if stored - 1 <= high < allocated else stored - 1
    return (raw << (allocated - 1 - high)) >> (allocated - stored)


def _padded(raw: np.ndarray, cleaned: np.ndarray, dataset: Any) -> np.ndarray | None:
    """(frames, rows, columns) bool: numbers that the header names as padding; None where it names none, or none is there.

    A number that the stored bits cannot hold is looked for among all bits.
    """
    name = "FloatPixelPaddingValue" if raw.dtype.kind == "f" else "PixelPaddingValue"
    value = numbers(dataset, name, 1)
    if value is None:
        return None
    limit = numbers(dataset, name.replace("Value", "RangeLimit"), 1) or value
    low, high = sorted(_as_stored(each[0], raw.dtype) for each in (value, limit))
    bits = _bits(dataset, raw)
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if raw.dtype.kind == "i" else (0, (1 << bits) - 1)
    held = cleaned if raw.dtype.kind == "f" or (least <= low and high <= most) else raw
    padded = (held >= low) & (held <= high)
    return padded if padded.any() else None


def _as_stored(value: float, dtype: np.dtype) -> float:
    """A padding value as the pixels hold it: many files write a negative one as a positive, or the other way round."""
    if dtype.kind == "f":
        return value
    limits, around = np.iinfo(dtype), 1 << 8 * dtype.itemsize
    return value if limits.min <= value <= limits.max else (value - limits.min) % around + limits.min


def _rescale(dataset: Any, frame: int) -> tuple[float, float]:
    """Slope and intercept of a frame; a slope of 0, as of files that never filled it in, is 1."""
    frames = value_of(dataset, "PerFrameFunctionalGroupsSequence")
    groups = [frames[frame] if frames and frame < len(frames) else None, first_item(dataset, "SharedFunctionalGroupsSequence")]
    items = (first_item(group, "PixelValueTransformationSequence") for group in groups)
    item = next((item for item in items if item is not None), dataset)
    return number(item, "RescaleSlope", 1.0) or 1.0, number(item, "RescaleIntercept", 0.0)


def _unit(dataset: Any, modality: str, table: Any) -> tuple[str, tuple[str, ...]]:
    """The unit of rescaled numbers, and what a person should know of them."""
    shared = first_item(first_item(dataset, "SharedFunctionalGroupsSequence"), "PixelValueTransformationSequence")
    frame = first_item(first_item(dataset, "PerFrameFunctionalGroupsSequence"), "PixelValueTransformationSequence")
    item = next((item for item in (frame, shared) if item is not None), dataset)
    if table is not None:
        return ("HU" if text(table, "ModalityLUTType") == "HU" else "stored"), ()
    if modality == "CT":
        if numbers(item, "RescaleIntercept", 1) is None:
            return "stored", (UNRESCALED,)
        return ("HU" if text(item, "RescaleType") in ("", "HU", "US") else "stored"), ()
    if modality == "PT":
        unit = text(dataset, "Units")
        return PET_UNITS.get(unit, unit.lower()), ()
    return "stored", (PHILIPS,) if modality == "MR" and value_of(dataset, PHILIPS_SLOPE) is not None else ()


def _looked_up(cells: np.ndarray, dataset: Any, item: Any, descriptor: str, data: str) -> tuple[np.ndarray, int]:
    """Numbers through a lookup table, and how many bits its own have. Numbers beyond its ends take the entry at that end (PS3.3 C.11.1)."""
    entries, first, bits = (int(each) for each in value_of(item, descriptor))
    entries = entries or 1 << 16
    if whole(dataset, "PixelRepresentation") and first > 32767:  # written as an unsigned number
        first -= 1 << 16
    content = value_of(item, data)
    little = dataset.original_encoding[1] is not False
    if isinstance(content, (bytes, bytearray)):
        table = np.frombuffer(content, np.uint8 if len(content) < 2 * entries else ("<u2" if little else ">u2"))
    else:
        table = np.atleast_1d(np.asarray(content)).astype(np.uint16)
        table = table.view(np.uint8) if len(table) < entries else table  # two entries of 8 bits in each number
    table = table[:entries].astype(np.uint8 if bits <= 8 and table.itemsize == 1 else np.uint16)
    return table[np.clip(cells.astype(np.int64) - first, 0, len(table) - 1)], max(bits, 8)


def _coloured(indices: np.ndarray, dataset: Any) -> np.ndarray:
    """Indices into a palette as red, green and blue of 8 bits."""
    if value_of(dataset, "SegmentedRedPaletteColorLookupTableData") is not None:
        colours = quiet_pydicom().pixels.apply_color_lut(indices, dataset)[..., :3]
    else:
        names = [
            (f"{colour}PaletteColorLookupTableDescriptor", f"{colour}PaletteColorLookupTableData") for colour in ("Red", "Green", "Blue")
        ]
        colours = np.stack([_looked_up(indices, dataset, dataset, *name)[0] for name in names], axis=-1)
    deep = colours.dtype.itemsize > 1 and colours.max() > 255
    return (colours >> 8 if deep else colours).astype(np.uint8)


def _inverted(cells: np.ndarray, bits: int) -> np.ndarray:
    """MONOCHROME1 as MONOCHROME2, by the bits stored: one number means one brightness in all pictures of a detector."""
    if cells.dtype.kind == "i":
        return ~cells
    top = cells.dtype.type((1 << bits) - 1)
    return top - np.minimum(cells, top)


def _any_below(cells: np.ndarray, slopes: Sequence[float], intercepts: Sequence[float]) -> bool:
    """Whether some number can mean less than any measurement: told from each frame's least and largest."""
    flat = cells.reshape(len(cells), -1)
    ends = np.stack([flat.min(axis=1), flat.max(axis=1)]).astype(np.float64)
    return bool((ends * np.array(slopes) + np.array(intercepts)).min() < NOTHING_BELOW)


def _per_frame(each: Sequence[float]) -> np.ndarray:
    return np.array(each, dtype=np.float32)[:, None, None]


def _not(padded: np.ndarray | None) -> np.ndarray | None:
    return None if padded is None else ~padded
