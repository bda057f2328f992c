"""Functions that use what a run left: its networks, its heads, and the readers of its images. `labelfree` has them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    import numpy as np

    from labelfree.backbones.weights import LoadedBackbone
    from labelfree.deploy.exports.export_folder import Exported
    from labelfree.deploy.exports.open_clip_folder import OpenClipFolder
    from labelfree.deploy.loaded_head import LoadedHead
    from labelfree.deploy.prediction import Predictions
    from labelfree.distilling.student import Student
    from labelfree.domain import Sample
    from labelfree.progress import Progress
    from labelfree.retrieval.asking import Found
    from labelfree.retrieval.opened_index import Index

Source = str | Path
Overrides = Sequence[str] | Mapping[str, Any]


def load(path: Source) -> LoadedBackbone:
    """The backbone in a weight file (or run folder) with its preprocessing. It knows its channels and unit, and refuses others."""
    from labelfree.backbones.weights import backbone_file
    from labelfree.backbones.weights import load as load_weights

    return load_weights(backbone_file(Path(path)))


def load_head(path: Source) -> LoadedHead[Any]:
    """The head in a file of `RUN/heads/`, or the recommended one of a run folder: `head.predict(image)` says what an image shows.

    It needs nothing but its file, knows which images it takes, and refuses others.
    """
    from labelfree.deploy.loading import load_head as load_file

    return load_file(path)


def predict(
    head: LoadedHead[Any] | Source,
    inputs: Source | Sequence[Source],
    out: Source,
    *,
    region: Source | None = None,
    vector: Source | None = None,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Predictions:
    """Write what a head says of images into the folder `out`: predictions.csv, and a map of each image where the head tells pixels, or the
    boxes of objects where it finds them.

    `head`: a file of `RUN/heads/`, or a run folder for its recommended one. `inputs`: images, folders of them, tables with a column of
    paths. `region`, `vector`: for maps and boxes, a vector file outside of whose shapes nothing is said, and a new one for what they show
    as polygons. `overrides`: keys of `data` and `reader`. Images go through one after the other; the same call goes on where one was
    stopped.
    Raises DataError for images that the head does not take.
    """
    from labelfree.deploy.prediction import predict_images

    several = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    given = head if not isinstance(head, str | Path) else Path(head)
    return predict_images(given, several, Path(out), path_of(region), path_of(vector), overrides, progress_of(say))


@overload
def export(
    head: LoadedHead[Any] | Source,
    out: Source,
    images: Source | Sequence[Source] = (),
    *,
    format: Literal["onnx"] = "onnx",
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Exported: ...


@overload
def export(
    head: Source,
    out: Source,
    images: tuple[()] = (),
    *,
    format: Literal["open_clip"],
    overrides: Overrides = (),
    say: Progress | None = None,
) -> OpenClipFolder: ...


def export(
    head: LoadedHead[Any] | Source,
    out: Source,
    images: Source | Sequence[Source] = (),
    *,
    format: str = "onnx",
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Exported | OpenClipFolder:
    """Write a head for other programs into the new folder `out`: ONNX that takes stored pixels, a script that runs it without labelfree,
    the network's own tensors, and what was found when it was tried.

    `head`: a file of `RUN/heads/`, or a run folder for its recommended one. `images`: on which it must decide as the head does; default the
    labelled ones of the run. `overrides`: keys of `data` and `reader`. `format`: "onnx"; or "open_clip": both towers of a run that learnt
    from captions, or of a weight file, as a folder that open_clip loads. Raises RecipeError where the extra `export` (`language`) is not
    installed, DataError for what cannot be exported.
    """
    from labelfree.deploy.exports.formats import export_as

    several = [images] if isinstance(images, str | Path) else list(images)
    given = head if not isinstance(head, str | Path) else Path(head)
    return export_as(format, given, Path(out), several, overrides, progress_of(say))


def distil(
    head: Source,
    folder: Source,
    backbone: str,
    *,
    out: Source,
    minutes: float | None = None,
    steps: int | None = None,
    init: str = "imagenet",
    temperature: float = 1.0,
    size: int | None = None,
    on: str = "test",
    seed: int = 0,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Student:
    """Teach a smaller network by a head's answers on the images of a folder; images with a label keep it.

    `head`: a head of classes of whole images, or a run folder for its recommended one. `backbone`, `init`: the network and what it starts
    from, as in a recipe. `out`: a new folder, which `predict`, `export` and `load` take. `minutes` or `steps`: how long. `temperature`: at
    which answers are compared. `size`: its input size; default the teacher's. `on`: the split whose labels both are judged by. `overrides`:
    keys of `data` and `reader`. Images of dev and test, those that the head's run scored, and their relatives teach nothing.
    Raises RecipeError or DataError where that cannot be done; `out` is untouched then.
    """
    from labelfree.distilling.student import Teaching, distil_head

    teaching = Teaching(backbone, init, minutes, steps, temperature, size, seed)
    return distil_head(Path(head), Path(folder), teaching, Path(out), on, overrides, progress_of(say))


def convert(file: Source, name: str, out: Source | None = None, *, domain: str | None = None) -> Path:
    """Weights that others published, from a local file, as a weight file that `load`, arms and `backbone.init` take.

    `name`: as their publisher calls them, e.g. torchgeo's "ResNet50_Weights.SENTINEL2_ALL_MOCO". `out`: default beside `file`. `domain`:
    default the only installed one that knows the name. The card written beside the new file says channels, unit and normalisation. Of
    "open_clip" (a folder in open_clip's layout) and "open_clip/ViT-B-32" (a state dict of that) the text tower lies beside it, too.
    Returns the new file.
    """
    from labelfree.language.published_towers import convert as write

    return write(Path(file), name, domain, path_of(out))


def read(path: Source, domain: str | None = None, **settings: Any) -> Sample:
    """One image as it is stored, with its channel names and units; very large ones coarser.

    `path`: a file, or an address that the domain reads.

    `domain`: default the only one installed, else the one that recognises the file. `settings`: what its reader takes, as in a recipe
    under `reader`.
    """
    from labelfree.planning.recognition import domain_of_file

    reader, row = domain_of_file(path, domain, settings)
    return reader.read(row)


def embed(weights: LoadedBackbone | Source, images: Source | Sample | Iterable[Source | Sample], domain: str | None = None) -> np.ndarray:
    """Vectors of images: (n, D) float32. `images`: one image or several, as paths or as `read` returns them; of none (0, D).

    Raises DataError when an image has other channels or units than the weights expect.
    """
    from labelfree.domain import Sample
    from labelfree.errors import DataError

    encoder = load(weights) if isinstance(weights, str | Path) else weights
    several = [images] if isinstance(images, str | Path | Sample) else images
    settings = encoder.card.reader

    def sample(image: Source | Sample) -> Sample:
        if not isinstance(image, str | Path | Sample):
            raise DataError(f"images: {type(image).__name__} is no image; give paths, or what labelfree.read returns.")
        return image if isinstance(image, Sample) else read(image, domain or encoder.card.domain, **settings)

    samples = map(sample, several if isinstance(several, Iterable) else [several])
    return encoder.embed(samples).numpy()


def embed_folder(
    folder: Source,
    weights: LoadedBackbone | Source,
    out: Source,
    domain: str | None = None,
    *,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Path:
    """Vectors of all images of a folder in a Parquet table: path, label, group, split, vector (D,) float32; of scenes a row a window.

    `weights`: a run folder or a weight file. `out`: a new file. `overrides`: keys of `data` and `reader`, as for `plan`. Images come one
    after the other, so that a folder of any size does. Returns the file.
    Raises DataError for an image that cannot be read (data.on_error=skip leaves it out), or with other channels than the weights expect.
    """
    from labelfree.pipeline.vectors import write_vectors

    encoder, tell = load(weights) if isinstance(weights, str | Path) else weights, progress_of(say)
    written, skipped = write_vectors(Path(folder), encoder, Path(out), domain, overrides, tell)
    for sentence in skipped:
        tell.say(f"Left out: {sentence}")
    tell.say(f"{out}: {written:,} vectors of {encoder.dim} numbers.")
    return Path(out)


def index(
    folder: Source,
    weights: Source,
    out: Source,
    domain: str | None = None,
    *,
    tile: int | Sequence[int] | None = None,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Index:
    """Embed all images of a folder into the index `out`, a folder of Parquet parts, for `search`. Returns it, opened.

    `weights`: a run folder or a weight file. `out`: new, or an index by the same weights, which more images are added to; what it holds is
    not embedded again, so that the same call goes on where one was stopped. `tile`: also cut images into parts of so many pixels, one
    number for all axes or one each; scenes are looked at in windows of 256 anyhow. `overrides`: keys of `data` and `reader`, as for `plan`.
    Raises DataError for an image that cannot be read (data.on_error=skip leaves it out), and for an index of other weights.
    """
    from labelfree.domain import as_size
    from labelfree.retrieval.building import index_images
    from labelfree.retrieval.opened_index import Index

    side = None if tile is None else as_size(tile)
    return Index(index_images(Path(folder), Path(weights), Path(out), domain, side, overrides, progress_of(say)))


def load_index(path: Source, weights: Source | None = None) -> Index:
    """An index that `index` made, for many searches: what they need is made ready once.

    `weights`: where those that it was made by are now, if they have moved. Raises DataError for a folder without an index.
    """
    from labelfree.retrieval.index_folder import IndexFolder
    from labelfree.retrieval.opened_index import Index

    return Index(IndexFolder.open(Path(path)), path_of(weights))


def search(
    index: Index | Source,
    out: Source | None = None,
    *,
    image: Source | Sample | None = None,
    text: str | None = None,
    k: int = 20,
    box: Sequence[int] | None = None,
    weights: Source | None = None,
    say: Progress | None = None,
) -> Found:
    """The `k` images of an index that are most alike an image, or that words describe: `Found.hits`, the most alike first (cosine).

    `index`: as `index` or `load_index` returned it, or its folder. `out`: a new or empty folder for search.csv, search.geojson (where
    images lie on Earth) and contact_sheet.png; None writes nothing. `image`: a file, or what `read` returns; `box`: a part of it in
    pixels, x0, y0, x1, y1 from the outer edge of the first one (of a volume x0, y0, z0, x1, y1, z1). `text`: for weights with a text
    tower. `weights`: those that the index was made by, if they have moved.
    Raises RecipeError or DataError for what cannot be asked.
    """
    from labelfree.retrieval.asking import Query, ask

    query = Query(image, text, box)
    opened = load_index(index, weights) if isinstance(index, str | Path) else index
    return ask(opened, query, k, path_of(out), progress_of(say))


def path_of(path: Source | None) -> Path | None:
    """A path as a caller gives it."""
    return None if path is None else Path(path)


def progress_of(say: Progress | None) -> Progress:
    """Who is told how work stands: default the terminal."""
    from labelfree.progress import Console

    return Console() if say is None else say
