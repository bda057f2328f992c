"""The recipe: everything a run needs to know, as pydantic models. Unknown keys are errors.

`auto` means "decided from the data and the machine by `labelfree.planning`"; what each `auto` became is stored in the run. The keys of
`reader` are the domain's own: `labelfree.recipe_file` checks them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from labelfree.entry_points import installed_points
from labelfree.recipe_renames import respelled

Auto = Literal["auto"]
AnyPath = Annotated[Path, Field(strict=False)]  # text becomes a path; nothing else is ever converted
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Sides = Annotated[list[PositiveInt], Field(min_length=2, max_length=3)]  # one an axis


TASKS = "labelfree.tasks"  # groups of entry points
PROTOCOLS, SET_PROTOCOLS = "labelfree.protocols", "labelfree.set_protocols"  # of a class an image, and of several
MAP_PROTOCOLS, BOX_PROTOCOLS = "labelfree.map_protocols", "labelfree.box_protocols"
PATCH_PROTOCOLS, TOKEN_PROTOCOLS = "labelfree.patch_protocols", "labelfree.token_protocols"  # of normal images, of questions
CAPTION_PROTOCOLS = "labelfree.caption_protocols"  # of images and what is said of them
PROTOCOL_GROUPS = (PROTOCOLS, MAP_PROTOCOLS, BOX_PROTOCOLS, SET_PROTOCOLS, PATCH_PROTOCOLS, CAPTION_PROTOCOLS, TOKEN_PROTOCOLS)


def installed_names(*groups: str) -> list[str]:
    """Names of what is installed of groups of entry points."""
    return sorted({point.name for group in groups for point in installed_points(group)})


def _among(name: str, names: Iterable[str], what: str) -> str:
    """The name, where it is one of those known. Raises ValueError with the nearest."""
    known = sorted(names)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
    raise ValueError(f"{name!r} is not {what}; {hint}")


def _of_groups(*groups: str) -> Callable[[dict[str, Any]], None]:
    """Tells editors the names that are installed."""
    return lambda schema: schema.update(enum=installed_names(*groups))


def _known_metric(name: str) -> str:
    """Metrics are known to their tasks, which take a while to be imported: only where another than the usual one is named."""
    if name == Primary.model_fields["metric"].default:
        return name
    return _among(name, {metric for point in installed_points(TASKS) for metric in point.load().metrics}, "a metric of an installed task")


TaskName = Annotated[
    str, AfterValidator(lambda name: _among(name, installed_names(TASKS), "an installed task")), Field(json_schema_extra=_of_groups(TASKS))
]
ProtocolName = Annotated[
    str,
    AfterValidator(lambda name: _among(name, installed_names(*PROTOCOL_GROUPS), "an installed protocol")),
    Field(json_schema_extra=_of_groups(*PROTOCOL_GROUPS)),
]
MetricName = Annotated[str, AfterValidator(_known_metric)]


def _takes_auto(field: FieldInfo) -> bool:
    return field.is_required() or field.default == "auto"


def without_auto(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """`auto` may stand at every key that has a default; where nothing else decides it, it means that default."""
    fields = model.model_fields
    plain = {key for key, value in given.items() if value == "auto" and key in fields and not _takes_auto(fields[key])}
    return {key: value for key, value in given.items() if key not in plain}


class Section(BaseModel):
    """A block of the recipe. Unknown keys are refused, values are never silently converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _auto_is_the_default(cls, given: Any) -> Any:
        return without_auto(cls, given) if isinstance(given, dict) else given


class Data(Section):
    """What to read."""

    card: str | None = Field(None, description="name of a data card, or a path to one")
    root: AnyPath | None = Field(None, description="folder of the images; alone, it is your own folder and replaces the card")
    labels: AnyPath | None = Field(
        None,
        description="CSV or Parquet with `path`, `label`, optionally `text`, `group`, `split`, `chosen`; a vector file; or COCO, VOC, "
        "YOLO, CVAT, LabelMe, Label Studio, a table with one object a row (docs/labels.md)",
    )
    captions: AnyPath | None = Field(
        None,
        description="what is said of the images in words, where no column `text` says it: a table with `path` and `text`, a JSON of "
        "captions, a folder of reports called as their images are, or webdataset's tars (docs/language.md)",
    )
    questions: AnyPath | None = Field(
        None,
        description="a table with `path`, `question` and `answer`, several rows an image, for evaluate.task=vqa; default: questions.csv "
        "under root, where that task is asked (docs/language.md)",
    )
    label_field: str | None = Field(
        None, description="field of a vector file (GeoPackage, Shapefile, GeoJSON …), or column of a table, that holds the class"
    )
    classes: dict[str | int, str] = Field(
        {},
        description="another name for a class of drawn objects, or of what masks hold: a number, a colour (`#ff0000`), or all above one "
        "(`>127`); `ignore`: neither learnt nor scored",
    )
    instances: bool | Auto = Field(
        "auto",
        description="whether numbers of masks tell objects apart and name no classes; auto: where each counts on from 1 in one piece",
    )
    absent: list[str] = Field([], description="classes of drawn objects that nobody looked for: where none is drawn, nobody knows")
    where: dict[str, str | int | list[str | int]] = Field(
        {},
        description="rows of a table that are taken, by what stands in a column: {object: candle}; images of others are not read",
    )
    date_field: str | None = Field(None, description="field of a vector file that holds a date; the image nearest to it is taken")
    holdout: Fraction | Auto = Field(
        "auto",
        description="share of labelled groups set aside as test where no split is given; "
        "auto: 0.2 for class folders, else none (cross-validation)",
    )
    class_folders: bool | Auto = Field(
        "auto",
        description="without a table: sub-folders' names are classes; never where these hold large images; auto: unless they are of people",
    )
    normal: str | Literal[False] = Field(
        "auto",
        description="which images show nothing wrong: a folder of images that were looked at, or the class of the labels that says so; "
        "false: nobody said; auto: a class, else a folder, called good, ok, normal, free, no_defect or the like (docs/labels.md)",
    )
    group_folders: bool = Field(
        False, description="images of one folder under root belong together, as those of a lot or a patient, where nothing else groups them"
    )
    positives: str = Field(
        "self", description="where the second view of an image comes from: self, or a kind of pairs that the domain knows (docs/domains/)"
    )
    positives_within: PositiveFloat | None = Field(
        None, description="how far apart the two images of a pair may be, in the domain's unit of length; default: what the domain takes"
    )
    on_error: Literal["fail", "skip"] = Field("fail", description="what to do with an image that cannot be read")
    max_skipped: Fraction = Field(0.01, description="with on_error: skip, stop when a larger share was skipped")
    pretrain_on_labelled: bool = Field(
        False,
        description="without a split, where nothing is compared: pretrain on images too that a table gives a label, mask or boxes",
    )
    transductive: bool = Field(False, description="go on although scored images are in the pool; every page says so")
    leak_limit: Fraction | Auto = Field(
        "auto", description="share of scored images with near-duplicates that stops a run; auto: 1 %, at least 2 rows"
    )


class PoolSettings(Section):
    """The decode-once store."""

    dir: AnyPath | None = Field(None, description="folder of the pools; default: the user's cache folder")
    max_gb: PositiveFloat | Auto = Field("auto", description="largest size of one pool; auto: half the free space")
    tile: PositiveInt | Sides | Auto | None = Field(
        "auto",
        description="side of the tiles cut from large or ragged images, or one an axis; null: store images whole; "
        "auto: none for small images of one size, else 256 (volumes: 96, fewer where voxels are longer) or what the images allow",
    )


class BackboneSettings(Section):
    """The network."""

    name: str = Field(
        "tf_efficientnet_lite0",
        description="any timm model, slicewise/NAME for volumes, levels/NAME for vectors of several levels, or your own as module:factory",
    )
    init: str = Field(
        "imagenet", description="what `imagenet+domain` continues from: imagenet, a weight file, or a name whose weights timm publishes"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="passed to timm.create_model or the factory, e.g. {embed_dim: 128, depth: 6}"
    )


class Pretrain(Section):
    """One pretraining. Rules are in steps and fractions, never in epochs."""

    objective: str = Field(
        "simclr",
        description="byol, cutpaste, dino, dinov2, distill, moco, moco_v3, simclr, simsiam (docs/methods.md); with captions "
        "clip, siglip (docs/language.md)",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="the objective's own settings, e.g. {temperature: 0.2}; those not named are auto"
    )
    minutes: PositiveFloat | None = Field(None, description="longest time for each pretraining; resolved to steps on the first ones")
    steps: PositiveInt | Auto = Field(
        "auto", description="optimiser steps; auto: 100 passes over the pool, 1,000 to 100,000, capped by `minutes`"
    )
    batch_size: PositiveInt | Auto = Field("auto", description="images a step; auto: from the memory, at least four batches a pass")
    views: Literal["domain", "generic"] = Field(
        "domain", description="whose augmentations: the domain's, or generic: SimCLR's for photographs, to compare with"
    )
    mirror: bool | Auto = Field(
        "auto",
        description="whether views may be mirrored left to right; auto: not where names of labels tell sides, if the domain knows them",
    )
    size: PositiveInt | Sides | Auto = Field(
        "auto",
        description="side of a global view in pixels, or one an axis; auto: from the images' short side, 32 to 224 (volumes: to 96)",
    )
    local_size: PositiveInt | Sides | Auto = Field(
        "auto", description="side of a local view in pixels, or one an axis; auto: about half a global view"
    )
    optimiser: Literal["auto", "adamw", "lars", "sgd"] = Field("auto", description="auto: sgd for SimSiam from random weights, else adamw")
    lr: PositiveFloat | Auto = Field(
        "auto", description="peak learning rate; auto: from optimiser and batch, less when continuing from weights"
    )
    weight_decay: Annotated[float, Field(ge=0)] | Auto = Field(
        "auto", description="of matrices only; auto: adamw 0.04, sgd 1e-4, lars 1e-6"
    )
    warmup: Fraction | Auto = Field("auto", description="share of the steps; auto: a tenth, at most 2,500 steps")
    head_only: Fraction | Auto = Field(
        "auto",
        description="share of the steps in which only the head learns; auto: a tenth, at most 1,000 steps, when continuing, else none",
    )
    trained: PositiveFraction | Auto = Field(
        "auto", description="share of the network's layers that learn, the last ones; the others stay as they start; auto: 1, all of them"
    )
    norm: Literal["auto", "frozen", "train"] = Field("auto", description="BatchNorm statistics; auto: frozen when continuing from weights")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that has it, else fp32")
    clip_grad: Annotated[float, Field(ge=0)] | Auto = Field("auto", description="largest gradient norm; auto: 3")
    seeds: Annotated[list[int], Field(min_length=1)] = Field([0], description="one pretraining for each")
    on_collapse: Literal["stop", "warn"] = Field("stop", description="three checks in a row that show a collapse save and stop, or warn")
    checkpoint_minutes: PositiveFloat = Field(2.0, description="how often a checkpoint is written")
    check_every: PositiveInt | Auto = Field("auto", description="steps between health checks; auto: a fiftieth of the steps")
    watch_labels: bool = Field(
        False,
        description="kNN accuracy of the labelled training rows among themselves at every check; shown only, never chooses anything",
    )


class ArmSpec(Section):
    """An arm from a weight file, or from weights that timm publishes under the name `backbone` (docs/published-weights.md)."""

    name: str
    weights: Literal["published", "published-inflated"] | AnyPath
    backbone: str | None = None

    @property
    def file(self) -> Path | None:
        """The weight file; None where the weights are published ones."""
        return self.weights if isinstance(self.weights, Path) else None


class Primary(Section):
    """The one claim, named before the run."""

    arm: str = "imagenet+domain"
    against: str = "imagenet"
    protocol: ProtocolName = "linear"
    budget: PositiveInt | Literal["all"] = 5
    metric: MetricName = "accuracy"


class Evaluate(Section):
    """The comparison (docs/protocol.md)."""

    on: Literal["test", "dev"] = "test"
    arms: list[str | ArmSpec] = ["statistics", "random", "imagenet", "imagenet+domain"]
    task: Auto | TaskName = Field(
        "auto",
        description="what is asked of the labels; auto: what the table's columns are for, multilabel where labels name several, as a|b",
    )
    protocols: Annotated[list[ProtocolName], Field(min_length=1)] = ["knn", "linear"]
    labels_per_class: Annotated[list[PositiveInt | Literal["all"]], Field(min_length=1)] = Field(
        [1, 5, 10, 50, "all"],
        description="budgets: labels of each class; in multilabel and segmentation labelled images of all classes; in anomaly normal ones",
    )
    draws: Annotated[int, Field(ge=1)] = 5
    sizes: Annotated[list[PositiveInt], Field(min_length=1)] | Auto = Field(
        "auto",
        description="input sizes every arm may choose from; in volumes of the longest side, others in proportion to pretrain.size; "
        "auto: 1, 2 and 3 times the images', at most 256 (volumes: once and twice, at most 128); in segmentation the images' own size, "
        "with `tile` the tile's",
    )
    tile: PositiveInt | None = Field(
        None,
        description="in classification and multilabel: side in pixels of the overlapping tiles that a large picture is looked at in, at "
        "its own resolution; what they tell is pooled (docs/protocol.md, 8); null: pictures are shrunk whole",
    )
    minutes: PositiveFloat | None = Field(
        None,
        description="time for the comparison: trained heads take as many steps as it allows, then search points, the largest input sizes, "
        "draws and middle budgets are cut, equally for every arm",
    )
    max_false_alarms: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="with two classes: the share of images without the one that is looked for (of groups, where images share them) that "
        "may be called so; in detection: false boxes an image (a group) on the mean; in anomaly: the share of normal images (groups); a "
        "threshold is set by it inside the labels (docs/protocol.md, 17)",
    )
    alarm: str | int = Field(
        "auto",
        description="with max_false_alarms: the class that is looked for; auto: the one beside good, ok, normal or the like, else the one "
        "with fewer labels",
    )
    surface_tolerance: PositiveFloat | Auto = Field(
        "auto",
        description="in segmentation where the size of a pixel is known: how far a boundary may lie from the true one to count in "
        "surface_dice, in the unit of that size (mm, m); auto: the longest side of a pixel, of the middle image",
    )
    tile_views: str | None = Field(
        None,
        description="module:function that gives a transform of albumentations (or a labelfree.views.Geometry): what tiles of pictures of 8 "
        "bits go through besides the domain's views, with their masks and boxes, where a protocol trains the network along",
    )
    prompts: AnyPath | None = Field(
        None, description="text file with templates for zeroshot, one a line, {} where the class stands; null: the domain's"
    )
    class_words: dict[str | int, str | list[str]] = Field(
        {}, description="how zeroshot says a class: {Port: [port, harbour]}; of others the card's words, or the name made into words"
    )
    held_out_classes: Annotated[list[str | int], Field(min_length=1)] | PositiveInt | None = Field(
        None,
        description="classes, or how many (drawn by the seed), whose images and captions are kept out of the pretraining, so that zeroshot "
        "is told of classes that were never named (docs/protocol.md, 21)",
    )
    primary: Primary = Primary()

    @model_validator(mode="after")
    def _primary_is_evaluated(self) -> Evaluate:
        named = [arm if isinstance(arm, str) else arm.name for arm in self.arms]
        for key in ("arm", "against"):
            arm = getattr(self.primary, key)
            if arm not in named:
                raise ValueError(f"primary.{key}: {arm!r} is not among evaluate.arms ({', '.join(named)}); name one of those")
        if len(set(named)) < len(named):
            raise ValueError("arms: a name stands twice")
        for arm in self.arms:
            if not isinstance(arm, str) and arm.file is None and arm.backbone is None:
                raise ValueError(f"arms: {arm.name}: weights: {arm.weights} needs backbone, the name that timm publishes them under")
        if self.primary.protocol not in self.protocols:  # a budget that is not listed moves, as one that the labels do not carry
            raise ValueError(f"primary.protocol: {self.primary.protocol!r} is not among evaluate.protocols ({', '.join(self.protocols)})")
        return self


class ReportSettings(Section):
    """What leaves the run folder."""

    share: bool | Auto = Field(
        "auto",
        description="hide paths, names and pictures in all of the run folder but private/; auto: where the domain's images are of people",
    )
    images: bool | Auto = Field("auto", description="show source pictures; auto: not when share is true, unless they are generated")


class Recipe(Section):
    """A whole recipe."""

    name: str | None = Field(None, description="names the run folder; default: the recipe file's name")
    domain: str
    data: Data = Data()
    reader: dict[str, Any] = Field(
        default_factory=dict,
        description="How the domain reads the images, in keys of its own; null: as the data card or the files say.",
    )
    pool: PoolSettings = PoolSettings()
    backbone: BackboneSettings = BackboneSettings()
    pretrain: Pretrain = Pretrain()
    evaluate: Evaluate = Evaluate()
    report: ReportSettings = ReportSettings()
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _as_spelled_today(cls, given: Any) -> Any:
        return respelled(given)[0] if isinstance(given, dict) else given
