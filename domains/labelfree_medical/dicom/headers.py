"""Headers of the DICOM files of a folder tree, read once in threads and kept in the cache folder by path, size and time."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from labelfree.data.our_folders import cache_folder
from labelfree.data.threads import in_order
from labelfree.data.walk import Walk
from labelfree_medical.dicom.elements import Numbers, first_item, spacing_of, text, texts, value_of, whole
from labelfree_medical.dicom.finding import HEAD, has_preamble, looks_like_dicom, named_like_dicom
from labelfree_medical.dicom.pixel_ends import length_fault, pixel_fault
from labelfree_medical.dicom.quiet import quiet_pydicom
from labelfree_medical.dicom.slices import MARKS, PRIVATE_B, Slice, slices_of

VERSION = 1  # of what is kept: another one is read anew
WORKERS = 8  # threads: most of their time goes into opening files
LOST = {0: "is empty, no byte is in it", -1: "cannot be opened"}  # by size
DEFLATED = "1.2.840.10008.1.2.1.99"
WANTED = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber"),
    *("SeriesDescription", "ProtocolName", "BurnedInAnnotation", "ReferencedSeriesSequence"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "SpacingBetweenSlices", "SliceVector"),
    *("DetectorInformationSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *MARKS.values(),
    *PRIVATE_B,
)


@dataclass(frozen=True)
class Header:
    """What a file's header says of its place among others. `fault`: why its pixels cannot be trusted, as in "ends within its header".

    `storage`: the name of its storage class, as in "CT Image Storage". `spacing`: of a picture, mm between rows and columns. `of_series`:
    the series that a segmentation was drawn on. `slices`: its planes; () where it has no pixels.
    """

    path: Path
    fault: str = ""
    syntax: str = ""
    storage: str = ""
    instance: str = ""
    modality: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    accession: str = ""
    description: str = ""
    protocol: str = ""
    image_type: tuple[str, ...] = ()
    photometric: str = ""
    samples: int = 1
    frames: int = 1
    burnt_in: bool = False
    spacing: Numbers | None = None
    of_series: str = ""
    slices: tuple[Slice, ...] = ()


@dataclass
class Found:
    """What lies in a folder tree, in order of paths. `lost`: files named like DICOM that are none, with the reason, as in "cannot be opened".

    `empty`: files without a byte and without an ending, which are lost where they lie among DICOM. `archives`: zip files.
    """

    headers: list[Header] = field(default_factory=list)
    lost: list[tuple[Path, str]] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)


def headers_under(root: Path, say: Any = None, deep: bool = True) -> Found:
    """All DICOM below `root`, or `deep` false: in it alone; links, hidden files and folders of labelfree are passed over.

    `say`: `labelfree.progress.Progress`, to tell how far it is.
    """
    quiet_pydicom()
    folders = [(folder, names) for folder, names in Walk(root, enter=lambda folder: deep) if names]
    files = sum(len(names) for _, names in folders)
    found = Found()
    entries: Iterable[tuple[Path, _Entry]] = _entries(folders)
    for path, entry in say.track(entries, "reading headers", files) if say is not None and files > WORKERS else entries:
        if entry.header is not None:
            found.headers.append(entry.header)
        elif named_like_dicom(path):
            found.lost.append((path, LOST.get(entry.size, "holds no DICOM, though its name says so")))
        elif entry.size == 0 and not path.suffix:
            found.empty.append(path)
        elif path.suffix.lower() == ".zip":
            found.archives.append(path)
    return found


@dataclass
class _Entry:
    """What is kept of a file: `size` in bytes (-1: it cannot be opened), `changed` in ns, and its header, None: no DICOM."""

    size: int
    changed: int
    header: Header | None


def _entries(folders: Sequence[tuple[Path, Sequence[str]]]) -> Iterator[tuple[Path, _Entry]]:
    """Every file with what is kept of it, folder by folder; what is new goes into the cache as soon as a folder is done."""
    kept: dict[Path, dict[str, _Entry]] = {}

    def files() -> Iterator[tuple[Path, str]]:
        for folder, names in folders:
            kept[folder] = _load(folder)
            yield from ((folder, name) for name in names)

    def look(file: tuple[Path, str]) -> tuple[Path, str, _Entry]:
        folder, name = file
        return folder, name, _entry(folder / name, kept[folder].get(name))

    for folder, looked in groupby(in_order(look, files(), WORKERS), key=lambda each: each[0]):
        entries = {}
        for _, name, entry in looked:
            entries[name] = entry
            yield folder / name, entry
        if entries != kept.pop(folder):
            _keep(folder, entries)


def _entry(path: Path, kept: _Entry | None) -> _Entry:
    try:
        status = path.stat()
        if kept is not None and (kept.size, kept.changed) == (status.st_size, status.st_mtime_ns):
            return kept
        return _Entry(status.st_size, status.st_mtime_ns, read_header(path) if status.st_size else None)
    except OSError:
        return _Entry(-1, 0, None)


def read_header(path: Path) -> Header | None:
    """The header of a file; None where it is no DICOM. One that ends too early, or cannot be read, has a `fault`."""
    pydicom = quiet_pydicom()
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not looks_like_dicom(head):
            return None
        file.seek(0)
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(WANTED))
            if not has_preamble(head) and not text(dataset, "SOPClassUID") and not whole(dataset, "Rows"):
                return None
            return _header(path, dataset, file)
        except Exception as error:  # pydicom raises whatever broken bytes make it raise
            if not has_preamble(head):
                return None
            cut = isinstance(error, (EOFError, zlib.error))
            return Header(path, "ends within its header" if cut else f"has a header that cannot be read ({type(error).__name__})")


def _header(path: Path, dataset: Any, file: BinaryIO) -> Header:
    pydicom = quiet_pydicom()
    meta = getattr(dataset, "file_meta", None)
    syntax = text(meta, "TransferSyntaxUID")
    uid = text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    storage = str(pydicom.uid.UID(uid).name)
    has_pixels = whole(dataset, "Rows") > 0 and whole(dataset, "Columns") > 0
    fault = ""
    if has_pixels or "Image Storage" in storage or not uid:
        fault = _deflated_fault(path) if syntax == DEFLATED else pixel_fault(file, dataset)
    return Header(
        path,
        fault=fault or "",
        syntax=syntax,
        storage=storage,
        instance=text(dataset, "SOPInstanceUID"),
        modality=text(dataset, "Modality").upper() or MODALITIES.get(storage.split(" Image")[0].removeprefix("Enhanced "), ""),
        series=text(dataset, "SeriesInstanceUID"),
        study=text(dataset, "StudyInstanceUID"),
        patient=text(dataset, "PatientID"),
        accession=text(dataset, "AccessionNumber"),
        description=text(dataset, "SeriesDescription"),
        protocol=text(dataset, "ProtocolName"),
        image_type=tuple(kind.upper() for kind in texts(dataset, "ImageType")),
        photometric=text(dataset, "PhotometricInterpretation").upper(),
        samples=max(1, whole(dataset, "SamplesPerPixel")),
        frames=max(1, whole(dataset, "NumberOfFrames")),
        burnt_in=text(dataset, "BurnedInAnnotation").upper() == "YES",
        spacing=spacing_of(dataset) or spacing_of(dataset, "ImagerPixelSpacing"),
        of_series=text(first_item(dataset, "ReferencedSeriesSequence"), "SeriesInstanceUID"),
        slices=slices_of(dataset, path) if has_pixels else (),
    )


# Where a header leaves its modality out, its storage class tells.
MODALITIES = {
    "CT": "CT",
    "MR": "MR",
    "Positron Emission Tomography": "PT",
    "PET": "PT",
    "Nuclear Medicine": "NM",
    "Computed Radiography": "CR",
    "Digital X-Ray": "DX",
    "Digital Mammography X-Ray": "MG",
    "Ultrasound": "US",
    "Ultrasound Multi-frame": "US",
}


def _deflated_fault(path: Path) -> str | None:
    """A file whose data set is compressed as a whole has no lengths to look at."""
    dataset = quiet_pydicom().dcmread(path, force=True)
    return length_fault(len(value_of(dataset, "PixelData") or b""), dataset)


def _cache_file(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_folder() / "dicom_headers" / f"{name}.json"


def _load(folder: Path) -> dict[str, _Entry]:
    """What is kept of a folder's files; nothing where it was kept by another version, or cannot be read."""
    try:
        content = json.loads(_cache_file(folder).read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            return {}
        return {name: _Entry(size, changed, _thawed(folder / name, header)) for name, size, changed, header in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _keep(folder: Path, entries: dict[str, _Entry]) -> None:
    """Write what is known of a folder, for its owner's eyes alone; a cache that cannot be written costs time and nothing else."""
    if not any(entry.header for entry in entries.values()):
        return
    file = _cache_file(folder)
    files = [(name, entry.size, entry.changed, _frozen(entry.header)) for name, entry in entries.items()]
    with suppress(OSError, UnicodeError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"version": VERSION, "files": files}, out, separators=(",", ":"))
        os.replace(name, file)


def _frozen(header: Header | None) -> dict[str, Any] | None:
    """A header as JSON, without its path and what it leaves out."""
    if header is None:
        return None
    default = Header(header.path)
    told = {each.name: getattr(header, each.name) for each in fields(Header) if getattr(header, each.name) != getattr(default, each.name)}
    if header.slices:
        told["slices"] = [{key: value for key, value in asdict(each).items() if key != "path"} for each in header.slices]
    return told


def _thawed(path: Path, told: dict[str, Any] | None) -> Header | None:
    if told is None:
        return None
    slices = tuple(Slice(path, **{name: _tuple(value) for name, value in each.items()}) for each in told.pop("slices", ()))
    return replace(Header(path, **{name: _tuple(value) for name, value in told.items()}), slices=slices)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
