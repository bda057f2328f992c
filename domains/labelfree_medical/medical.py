"""The medical domain: `labelfree.domain.Domain` for films, slices and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelfree.data.kept import Kept
from labelfree.domain import (
    ARBITRARY,
    PART,
    Contents,
    Default,
    Defaults,
    Finding,
    Fingerprint,
    Row,
    Sample,
    Shown,
    Targets,
    require,
)
from labelfree.errors import DataError
from labelfree_medical import laterality
from labelfree_medical.choice import FILMS
from labelfree_medical.colours import rgb_positions, uniting
from labelfree_medical.contents import contents_of
from labelfree_medical.diagnosis import PACKAGES, readers
from labelfree_medical.found_images import image_of, list_folder
from labelfree_medical.identifying import FORMS
from labelfree_medical.kept_volumes import Prepared, image_bytes, mask_bytes
from labelfree_medical.orientation import upright_volume
from labelfree_medical.planes import axis_across, slice_of
from labelfree_medical.predicted_maps import ClassMap, no_shapes
from labelfree_medical.recognition import FORMAT, format_of, recognised
from labelfree_medical.sequences import match_sequences
from labelfree_medical.settings import BYTES, KEYS_FOR, Reader, several, window_of
from labelfree_medical.slices import Slice, slices_across
from labelfree_medical.stored import ImageFiles, Stored

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.domain import ForeignWeights
    from labelfree.views import Augmentation, Normalise
    from labelfree_medical.preparation import Preparation

FILM = "xray"  # the channel of a projection, whichever plate made it
READER = 2  # raise it when `read` returns something else for the same file: pools are made anew
VOLUME = 3  # spatial axes
BESIDE = -2  # in planes of whole numbers: no voxel
DISPLAY = "display"  # readers' word for 8-bit pictures over 255; here their numbers stay as they are stored, as people name them


class Medical:
    """Images of the inside of people and animals: DICOM, NIfTI, NRRD, MetaImage, arrays and pictures.

    The arguments are the keys of `Reader`. Raises RecipeError naming the key. Units of what is read: "HU", "SUV", "Bq/ml", "of 255" of
    pictures with 8 bits; where nobody knows, as of MR and of most films, "arbitrary", and "stored" where a window or `normalise="set"`
    says that all images are on one scale.
    """

    name = "medical"
    prompts = Path(__file__).parent / "prompts.txt"
    packages = PACKAGES
    quiet: Mapping[str, str] = {}
    confidential = True
    upright = True  # pictures, as their EXIF says
    identifying_forms = FORMS
    keys_for = KEYS_FOR
    choosing = ("series",)
    positives: Mapping[str, str] = {
        "slices": "set reader.slices_per_volume=all, or a larger data.positives_within (mm)",
        "series": "name patients in a column group, and dates, where no header tells a study",
    }
    mirror = staticmethod(laterality.mirror)
    region = outlines = staticmethod(no_shapes)
    Reader = Reader
    kinds = "DICOM, NIfTI, NRRD, MetaImage, .npy, .npz, PNG, JPEG and TIFF files"
    advice: Mapping[str, str] = {
        **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"), "unpack each archive into a folder of its own"),
        **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn"), "slides of microscopes are not read here; cut them into pictures first"),
        **dict.fromkeys((".mnc", ".mgz", ".mgh", ".par", ".rec", ".gipl", ".vtk"), "convert them to NIfTI"),
    }
    flattening: Mapping[str, Default] = {"slices": Default("axial", "slices of volumes are read as pictures")}

    def __init__(self, **settings: Any) -> None:
        self.reader = require(Reader, **settings)
        self.window = window_of(self.reader.window)
        self._known: dict[tuple[Path, str], ImageFiles] = {}
        self._classes: dict[int, str] = {}
        self._faulty: dict[Path, str] = {}
        self._modalities: set[str] = set()
        self._volumes, self._masks = Kept(image_bytes), Kept(mask_bytes)

    def settings(self) -> Mapping[str, Any]:
        return {"domain": self.name, "reader": READER, **self.reader.model_dump(mode="json")}

    def contents(self, root: Path) -> Contents:
        """Every image under `root` that the settings mean, by headers; what is none, and what cannot be trusted, with the reason."""
        listing = list_folder(root)
        self._classes |= listing.classes
        self._known |= {(image.path, image.key): image for image in listing.images}
        self._faulty |= {file: each.sentence for each in listing.untrusted for file in each.files}
        reader = self.reader
        found = contents_of(root, listing, several(reader.modality), several(reader.series), self._slices if reader.slices else None)
        meant = {(row.path, row.key.partition(PART)[0]) for row in found.rows}
        self._modalities |= {image.modality for image in listing.images if (image.path, image.key) in meant}
        return found

    def files(self, root: Path) -> list[Path]:
        return sorted({row.path for row in self.contents(root).rows})

    def read(self, row: Row) -> Sample:
        row = _with_key(row)
        image, chosen = self._image(row), _slice_in(row)
        stored = self._prepared(image).image
        if chosen is not None:
            stored = replace(_cut(stored, chosen, None, row.called)[0], affine=None)
        return self._sample(stored, row)

    def read_targets(self, row: Row, sample: Sample) -> Targets:
        """Placed on the image as it was prepared; of a slice that slice of its volume's."""
        from labelfree_medical.masks.targets import boxes_on

        row = _with_key(row)
        drawn = boxes_on(row, sample)
        if row.mask is None:
            return drawn
        image, chosen = self._image(row), _slice_in(row)
        if chosen is None:
            return replace(drawn, mask=self._mask(row, image))
        import numpy as np
        import torch

        mask = self._masks.get((row.mask, row.mask_files, image.path, image.key), lambda: self._mask(row, image))
        plane = _cut(self._prepared(image).image, chosen, mask.numpy(), row.called)[1]
        return replace(drawn, mask=torch.from_numpy(np.ascontiguousarray(plane)))

    def _mask(self, row: Row, image: ImageFiles) -> Tensor:
        """On the whole of the image that the row is, or is a slice of."""
        from labelfree_medical.masks.targets import read_mask

        prepared = self._prepared(image)
        file = Path(str(row.mask))
        mask = read_mask(file, prepared.image, self._classes, row.called, prepared.whole, row.window, row.mask_files).mask
        assert mask is not None
        return mask

    def uniting(self, channels: Mapping[tuple[str, ...], int]) -> Mapping[str, Default]:
        return uniting(channels, self.reader.colour)

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        from labelfree_medical.pairs import KINDS, placed

        shown = [image._replace(row=_with_key(image.row)) for image in images]
        return KINDS[kind](list(placed(shown, self._image, self._frame)), within)

    def open_map(self, sample: Sample, size: tuple[int, ...], path: Path, classes: Sequence[str], row: Row) -> ClassMap:
        """Of a volume on the grid of its files, of anything else on its own."""
        from labelfree_medical.dicom import is_dicom
        from labelfree_medical.put_back import Original

        image = self._image(_with_key(row)) if len(size) == VOLUME else None
        prepared = None if image is None else self._prepared(image)
        if image is None or prepared is None or prepared.steps is None:
            return ClassMap(size, path, classes)
        series = image if is_dicom(image.path) else None
        return ClassMap(size, path, classes, Original(prepared.whole, prepared.steps, prepared.spacing, series))

    def recognises(self, sample: Sample) -> str | None:
        return recognised(sample)

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        return rgb_positions(channels)

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        return match_sequences(channels, known, once)

    def foreign(self, name: str, told: Mapping[str, Any]) -> ForeignWeights:
        from labelfree_medical.published_weights import published

        return published(name, told)

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> Tensor | None:
        from labelfree_medical.previews import render

        return render(x, channels, unit, self.window, measured)

    def preview(self, sample: Sample) -> np.ndarray:
        from labelfree_medical.previews import preview

        return preview(sample.physical(), sample.channels, sample.spacing, self.window, sample.measured)

    def preview_at(self, sample: Sample, at: Sequence[int]) -> np.ndarray:
        from labelfree_medical.previews import preview

        return preview(sample.physical(), sample.channels, sample.spacing, self.window, sample.measured, at)

    def planes_at(self, numbers: np.ndarray, sample: Sample, at: Sequence[int]) -> np.ndarray:
        import torch

        from labelfree_medical.previews import planes

        shown = planes(torch.from_numpy(numbers.astype("float32"))[None], sample.spacing, at, beside=BESIDE)
        return shown[0].numpy().astype("int32")

    def normalise(self, fingerprint: Fingerprint) -> Normalise:
        from labelfree_medical.normalisation import normalisation

        return normalisation(fingerprint, self.window, self.reader.normalise)

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        from labelfree_medical.augmentation import augmentation

        modality = next(iter(self._modalities)) if len(self._modalities) == 1 else ""
        return augmentation(fingerprint, modality, self.window, self._sideways(len(fingerprint.smallest)))

    def missing(self, channels: Sequence[str]) -> list[str]:
        return []

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        if len(fingerprint.smallest) != 2:  # volumes keep their proportions, as the rules have it
            return {}
        side = min(fingerprint.smallest[-2:])
        size = max(32, min(224, side // 32 * 32))
        return {"pretrain.size": Default(size, f"the images' {side} px side in whole strides of 32: upscaled pixels teach nothing")}

    @staticmethod
    def diagnose() -> list[Finding]:
        """Whether DICOM, its compressed pixels and files of volumes can be read here."""
        return readers()

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        from labelfree_medical.generated_phantom import generate

        generate(directory, seed, variant)

    @cached_property
    def _preparation(self) -> Preparation:
        from labelfree_medical.preparation import Preparation

        reader = self.reader
        spacing = tuple(reader.spacing) if isinstance(reader.spacing, list) else reader.spacing
        crop: Literal["none", "foreground"] = "foreground" if reader.crop else "none"
        return Preparation(colour=reader.colour, orientation=reader.orientation, crop=crop, spacing=spacing)

    def _sideways(self, dims: int) -> int | None:
        """The axis, counted from the end, along which left and right lie; None where none does, or nobody knows."""
        if dims == 3:
            return -3 if self.reader.orientation == "ras" else None
        return None if self.reader.slices == "sagittal" else -1

    def _image(self, row: Row) -> ImageFiles:
        """The files of a row's image; looked up around its file where no folder was listed. Raises `DataError` for what is none."""
        key = row.key.partition(PART)[0]
        if row.path in self._faulty:
            raise DataError(self._faulty[row.path])
        if (row.path, key) not in self._known:
            image, listing = image_of(row.path, key)
            self._known[row.path, key] = image
            self._classes |= listing.classes
        return self._known[row.path, key]

    def _prepared(self, image: ImageFiles) -> Prepared:
        """An image after orientation, crop and spacing. Volumes are kept for their slices and masks."""
        from labelfree_medical.masks.grids import Grid
        from labelfree_medical.preparation import Preparation, prepare_volume

        def prepared() -> Prepared:
            return prepare_volume(self._read(image), self._preparation, str(image.path))

        if image.kind == "picture":
            stored = self._read(image)
            flat = Preparation(colour=self.reader.colour, orientation="stored")
            return Prepared(flat.apply(stored, called=str(image.path))[0], Grid.of(stored))
        return self._volumes.get((image.path, image.key), prepared)

    def _frame(self, image: ImageFiles) -> Stored:
        """A volume's size and place, upright, by headers alone where these tell it as it is read."""
        from labelfree_medical.dicom import placed_dicom
        from labelfree_medical.files import frame_file

        frame = None if self.reader.crop else frame_file(image) or (placed_dicom(image) if len(image.files) > 1 else None)
        return upright_volume(frame or self._prepared(image).image)[0]

    def _read(self, image: ImageFiles) -> Stored:
        from labelfree_medical.dicom import is_dicom, read_dicom
        from labelfree_medical.files import endings, read_file

        plain = image.path.name.lower().endswith(endings) and not is_dicom(image.path)
        stored = read_file(image) if plain else read_dicom(image)
        tags = {**stored.tags, FORMAT: format_of(image.path.name, dicom=not plain)}
        return self._told(image, replace(stored, tags=tags))

    def _told(self, image: ImageFiles, stored: Stored) -> Stored:
        """With what the settings say of channels and gaps."""
        reader = self.reader
        if stored.unit == DISPLAY or (stored.data.dtype == "uint8" and rgb_positions(stored.channels)):
            ones = (1.0,) * len(stored.channels)
            stored = replace(stored, scale=ones, offset=tuple(0.0 for _ in ones), unit=BYTES)
        if image.modality in FILMS and len(stored.channels) == 1:
            stored = replace(stored, channels=(FILM,))
        if reader.channels is not None and len(reader.channels) != len(stored.channels):
            held = f"{len(stored.channels)} channels ({', '.join(stored.channels)}), reader.channels names {len(reader.channels)}"
            raise DataError(f"{image.path}: {held}; name as many as the files hold.")
        if reader.padding is not None:
            there = (stored.data != reader.padding).any(0)
            stored = replace(stored, measured=there if stored.measured is None else stored.measured & there)
        return stored if reader.channels is None else replace(stored, channels=tuple(reader.channels))

    def _each_by_itself(self, stored: Stored) -> bool:
        """Whether numbers without a unit are normalised by each image's own: then no two images need be on one scale."""
        return stored.unit == "stored" and self.window is None and self.reader.normalise != "set"

    def _slices(self, image: ImageFiles) -> Sequence[Slice]:
        """Those of a volume that are read."""
        assert self.reader.slices is not None
        return slices_across(image, self.reader.slices, self.reader.slices_per_volume, lambda each: self._prepared(each).image)

    def _sample(self, stored: Stored, row: Row) -> Sample:
        import numpy as np
        import torch

        from labelfree.data.measured_pixels import fill

        data = np.ascontiguousarray(stored.data)
        if stored.measured is not None:
            data = data.copy()
            fill(data, stored.measured)
        tags = {**stored.tags, "spacing_unit": "mm"} if stored.spacing else dict(stored.tags)
        return Sample(
            data=torch.from_numpy(data),
            channels=stored.channels,
            scale=stored.scale,
            offset=stored.offset,
            unit=ARBITRARY if self._each_by_itself(stored) else stored.unit,
            spacing=stored.spacing,
            affine=None if stored.affine is None else tuple(map(tuple, np.asarray(stored.affine, float).tolist())),
            measured=None if stored.measured is None else torch.from_numpy(np.ascontiguousarray(stored.measured)),
            source=row.id,
            tags=tags,
            notes=stored.notes,
        )


def _cut(volume: Stored, chosen: Slice, mask: np.ndarray | None, called: str) -> tuple[Stored, np.ndarray | None]:
    """One slice of a volume, and its part of a mask."""
    upright, turned = upright_volume(volume, mask)
    depth = upright.data.shape[1 + axis_across(upright, chosen.plane)]
    return slice_of(upright, chosen.plane, chosen.at(depth), turned, called)


def _with_key(row: Row) -> Row:
    """A row whose path ends as its id does, `archive.npz#key`, with the file and the key apart."""
    name, _, key = str(row.path).partition("#")
    return replace(row, path=Path(name), key=key) if key and not row.key and not row.path.exists() else row


def _slice_in(row: Row) -> Slice | None:
    part = row.key.partition(PART)[2]
    return Slice.of(part) if part else None
