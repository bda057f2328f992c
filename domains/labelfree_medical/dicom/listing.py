"""What a folder of DICOM holds: volumes, pictures, what is no image, and what cannot be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from labelfree_medical.dicom.copies import copies_among
from labelfree_medical.dicom.finding import holds_dicom, without_ending
from labelfree_medical.dicom.header_index import LOST, Found, headers_under
from labelfree_medical.dicom.headers import Header
from labelfree_medical.dicom.pictures import frame_key
from labelfree_medical.dicom.reasons import PICTURES, is_picture_by_itself, reason_against
from labelfree_medical.dicom.series import PLANES, parts_of, plane_name
from labelfree_medical.dicom.slices import Slice
from labelfree_medical.dicom.syntaxes import syntax_fault
from labelfree_medical.stored import ImageFiles, Kind, Listing, NoImage, Untrusted

STACKED = ("CT", "MR", "PT")  # a file of these that is not placed is no picture of its own
UNPLACED = "ImagePositionPatient or ImageOrientationPatient is missing or broken"
RAW = "for processing"  # the raw twin of a film "for presentation": it is told apart so that one may choose
BESIDE, FILES_BESIDE = 16, 4000  # folders, and files in them, that are looked through for the rest of a series
WAYS = "fetch it again, remove it, or set data.on_error=skip."


def list_dicom(root: Path, say: Any = None) -> Listing:
    """All DICOM below `root`, images in order of their paths. `say`: `labelfree.progress.Progress`, to tell how far it is.

    Headers are read once and kept in the cache folder. Raises `DataError` where pydicom is not installed.
    """
    return _listed(headers_under(root, say))


def files_of(path: Path) -> Listing:
    """What is to be said of one file: the image that it is a part of, looked up in its folder, and in those beside it where they are few:
    archives put so many files of a series into a folder.
    """
    found = headers_under(path.parent, deep=False)
    listing = _with(path, _listed(found))
    others = _folders_beside(path.parent)
    if not others or not any(header.path.name == path.name for header in found.headers):
        return listing
    for folder in others:
        there = headers_under(folder, deep=False)
        found = replace(found, headers=[*found.headers, *there.headers])
    wider = _with(path, _listed(found))
    more = len(wider.images) == 1 and all(set(image.files) < set(wider.images[0].files) for image in listing.images)
    return wider if more else listing


def _folders_beside(folder: Path) -> list[Path]:
    """The other folders of the one that a folder lies in; none where there are many, or they hold much."""
    try:
        others = sorted(each for each in folder.absolute().parent.iterdir() if each.is_dir() and not each.name.startswith("."))
        held = sum(1 for each in others[: BESIDE + 1] for _ in islice(each.iterdir(), FILES_BESIDE + 1))
    except OSError:
        return []
    return [each for each in others if each != folder.absolute()] if len(others) <= BESIDE and held <= FILES_BESIDE else []


def _with(path: Path, listing: Listing) -> Listing:
    """What of a listing is of one file."""
    wanted = path.resolve()

    def holds(files: Sequence[Path]) -> bool:
        return any(file.name == path.name and file.resolve() == wanted for file in files)

    return Listing(
        tuple(image for image in listing.images if holds(image.files)),
        tuple(each for each in listing.no_images if holds(each.files)),
        tuple(each for each in listing.untrusted if holds(each.files)),
    )


def _listed(found: Found) -> Listing:
    into = _Sorted()
    packed = "an archive with DICOM in it; unpack it to have its images"
    into.no_images += [NoImage((path,), packed) for path in found.archives if holds_dicom(path)]
    bare = {header.path.parent for header in found.headers if without_ending(header.path)}
    for path, why in [*found.lost, *((path, LOST[0]) for path in found.empty if path.parent in bare)]:
        into.refuse([path], why)
    judged = [(header, reason_against(header)) for header in found.headers]
    studies = {header.study for header, reason in judged if reason is None}
    candidates: list[Header] = []
    for header, reason in judged:
        if reason is None or is_picture_by_itself(header, studies):
            candidates.append(header)
        else:
            into.no_images.append(NoImage((header.path,), reason, _names([header])))
    copies = copies_among(candidates)
    into.no_images += [NoImage((path,), f"the same again as {original.name}") for path, original in copies.items()]
    for headers in _by_series([header for header in candidates if header.path not in copies]):
        into.series(headers)
    masks = _masks(found.headers)
    into.images = [image.with_masks(masks.get(image.series, ())) for image in into.images]
    return into.listing()


def _masks(headers: Iterable[Header]) -> dict[str, tuple[Path, ...]]:
    """The segmentations that were drawn on each series."""
    drawn = defaultdict[str, list[Path]](list)
    for header in headers:
        if header.of_series and "Segmentation" in header.storage:
            drawn[header.of_series].append(header.path)
    return {series: tuple(sorted(files)) for series, files in drawn.items()}


def _by_series(headers: Sequence[Header]) -> list[list[Header]]:
    """Headers by patient, study and series; where an anonymiser emptied the series, by folder and description."""
    groups: dict[Hashable, list[Header]] = {}
    for header in headers:
        series = header.series or (header.path.parent, header.description)
        groups.setdefault((header.patient, header.study, series, header.modality), []).append(header)
    return list(groups.values())


class _Sorted:
    """Headers as they are sorted into images, what is none, and what cannot be trusted."""

    def __init__(self) -> None:
        self.images: list[ImageFiles] = []
        self.no_images: list[NoImage] = []
        self.untrusted: list[Untrusted] = []

    def listing(self) -> Listing:
        """All of it, in order of paths."""
        return Listing(
            tuple(sorted(self.images, key=lambda image: (image.path, image.key))),
            tuple(sorted(self.no_images, key=lambda each: each.files)),
            tuple(sorted(self.untrusted, key=lambda each: each.files)),
        )

    def refuse(self, paths: Sequence[Path], why: str, headers: Iterable[Header] = ()) -> None:
        """Files are no image that can be trusted; the first is named. `why` may end with a way out, after a semicolon.

        `headers`: theirs, so far as they have any.
        """
        ways = ", or set data.on_error=skip." if "; " in why else f"; {WAYS}"
        self.untrusted.append(Untrusted(tuple(sorted(set(paths))), f"{paths[0]}: {why}{ways}", _names(headers)))

    def series(self, headers: Sequence[Header]) -> None:
        """All files of one series."""
        slices: list[Header] = []
        adrift: list[Header] = []
        others: list[Header] = []
        for header in headers:
            (slices if _is_slice(header) else adrift if len(headers) > 1 and _is_adrift(header) else others).append(header)
        if adrift:
            what = f"{len(adrift)} slices of its series do not say where they lie" if len(adrift) > 1 else "does not say where it lies"
            self._refuse(adrift, f"{what} ({UNPLACED})")
        self._apart(others)
        self._stack(slices)

    def _stack(self, headers: Sequence[Header]) -> None:
        """Files of one slice each; a broken one breaks its series."""
        faults = {header.path: fault for header in headers if (fault := _fault(header))}
        if faults:
            first = next(iter(faults))
            more = f" (and {len(faults) - 1} more of its series are broken)" if len(faults) > 1 else ""
            rest = f"{more}, so its series of {len(headers)} slices is not read" if len(headers) > 1 else ""
            self._refuse(sorted(headers, key=lambda header: header.path != first), faults[first], rest)
        elif headers:
            self._parts([header.slices[0] for header in headers], {header.path: header for header in headers})

    def _apart(self, headers: Sequence[Header]) -> None:
        """Files that are no slices of a stack: of many frames, or pictures."""
        by_fault: dict[str, list[Header]] = {}
        for header in headers:
            by_fault.setdefault(_fault(header), []).append(header)
        for header in by_fault.pop("", []):
            self._sound(header)
        for fault, broken in by_fault.items():
            self._refuse(broken, fault, f" (and {len(broken) - 1} more of its series)" if len(broken) > 1 else "")

    def _sound(self, header: Header) -> None:
        """A file of many frames, or a picture."""
        if len(header.slices) > 1 and all(each.placed for each in header.slices):
            self._parts(header.slices, {header.path: header})
        elif header.modality in STACKED and header.frames > 1:
            self._refuse([header], f"does not say where its {header.frames} frames lie ({UNPLACED})")
        else:
            keys = [frame_key(frame) for frame in range(header.frames)] if header.frames > 1 else [""]
            self.images += [_image({header.path: header}, header.slices[0], "picture", (header.path,), key) for key in keys]

    def _refuse(self, headers: Sequence[Header], fault: str, rest: str = "") -> None:
        """Files with a fault of the first; `rest` says what it means for the others, before the way out."""
        what, semicolon, way = fault.partition("; ")
        self.refuse([header.path for header in headers], what + rest + semicolon + way, headers)

    def _parts(self, slices: Sequence[Slice], headers: Mapping[Path, Header]) -> None:
        """What slices of a series, or frames of a file, belong together."""
        of_one_file = len(headers) == 1 and len(slices) > 1
        parts = parts_of(slices)
        if len(parts) == len(slices) and {plane_name(each) for each in slices} == PLANES:
            files = tuple(sorted(each.path for each in slices))
            self.no_images.append(NoImage(files, "a localiser (one slice in each of three planes)", _names(headers.values())))
            return
        for part in parts:
            first = part.slices[0]
            files = tuple(sorted({each.path for each in part.slices}))
            mine = [headers[file] for file in files]
            if part.fault:
                name = f" ({part.name})" if part.name else ""
                self.refuse(files, f"{len(part.slices)} slices of its series{name} make no volume: {part.fault}", mine)
            elif part.lone:
                self.no_images.append(NoImage(files, part.lone, _names(mine)))
            elif part.grid is None:
                self.images.append(_image(headers, first, "picture", files, frame_key(first.frame) if of_one_file else ""))
            else:
                key = part.name if of_one_file and len(parts) > 1 else ""
                self.images.append(_image(headers, first, "volume", files, key, part.name))


def _names(headers: Iterable[Header]) -> frozenset[str]:
    """What tables may call these files."""
    found = (each for header in headers for each in (header.series, header.study, header.accession, header.patient, header.instance))
    return frozenset(found) - {""}


def _is_slice(header: Header) -> bool:
    """Whether a file holds one plane of a stack, by its own word."""
    return header.modality not in PICTURES and len(header.slices) == 1 and header.slices[0].placed


def _is_adrift(header: Header) -> bool:
    """Whether a file holds one plane that should be of a stack, and does not say where."""
    single = len(header.slices) == 1 and header.frames == 1 and not header.slices[0].placed
    return single and header.modality in STACKED and not header.fault


def _fault(header: Header) -> str:
    """Why the pixels of a file cannot be trusted, "" where they can be."""
    if header.fault:
        return header.fault
    if "MOSAIC" in header.image_type:
        return "is a mosaic of slices (Siemens), which no header places; convert it with dcm2niix"
    return syntax_fault(header.syntax)


def _image(headers: Mapping[Path, Header], first: Slice, kind: Kind, files: tuple[Path, ...], key: str = "", part: str = "") -> ImageFiles:
    header = headers[first.path]
    return ImageFiles(
        path=files[0],
        files=files,
        kind=kind,
        key=key,
        modality=header.modality,
        series=header.series,
        study=header.study,
        patient=header.patient,
        accession=header.accession,
        instances=tuple(filter(None, (headers[file].instance for file in files))),
        description=", ".join(filter(None, (header.description, part, RAW if "For Processing" in header.storage else ""))),
        kernel=first.marks.get("kernel", ""),
        burnt_in=any(headers[file].burnt_in for file in files),
    )
