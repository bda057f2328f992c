"""The manifest: the table of a data set, one row an image, whatever form its owner keeps it in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from labelfree.data.captions.rows import captioned
from labelfree.data.captions.shards import shards_in, unpacked
from labelfree.data.captions.sources import captions_of
from labelfree.data.cards import Card, effective_card
from labelfree.data.folder_groups import named_groups
from labelfree.data.folders import generated_root, hold_scenes, rows_of_folder
from labelfree.data.inventory import Inventory, take_inventory
from labelfree.data.label_formats.annotated import called
from labelfree.data.label_formats.listed import Listing
from labelfree.data.label_formats.mask_files import rows_of_masks
from labelfree.data.label_formats.mask_numbers import Instances
from labelfree.data.label_formats.rows import rows_of_listing, rows_of_shapes
from labelfree.data.label_formats.sources import listing_of
from labelfree.data.label_formats.voc import drawn_by_table
from labelfree.data.label_tables import open_table
from labelfree.data.named_images import NamedImages
from labelfree.data.paths import Finder, rows_of_records, same_file
from labelfree.data.questions import USUAL, with_questions
from labelfree.data.table_cells import differ_in_case
from labelfree.data.taken_rows import Where
from labelfree.data.told_normal import told_normal, with_elsewhere
from labelfree.domain import Contents, Domain, LabelFields, ListsImages, ReadsRemote, ReadsShapes, Row, Sample
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import Data

SPLITS_FILE = "splits.csv"


@dataclass(frozen=True)
class Manifest:
    """A data set's rows. Labels of `pretrain` rows are unknown: they are blank from here on, whoever wrote them. `blanked`: what they were,
    by row id, for who leaves whole classes out of a pretraining and for nothing else.

    `given_split`: the owner said which rows are train, dev or test. `class_folders`: labels come from folder names.
    `notes`: sentences for the log; `box_notes`: how corners in a table's files are counted, for those who look at boxes.
    `listing`: what a file of drawn objects says, where labels are in one; a run goes on without its faulty ones. `renamed`: what the
    owner calls classes of objects and numbers of masks. `instances`: whether the latter tell objects apart. `aside`: sentences, for the
    log alone, on files that are no image. `faults`: relative path -> a sentence on what should be an image and cannot be trusted.
    `mixed`: why the images are no one set, else "". `names`: what the files themselves call their images, such as a patient's number.
    `normal`: the class or folder that is taken as normal for its name alone. `caption_faults`: what is wrong in `data.captions` and in
    `data.questions`.
    """

    rows: list[Row]
    root: Path
    name: str
    classes: tuple[str, ...]
    read: Callable[[Row], Sample] | None = None
    given_split: bool = False
    class_folders: bool = False
    notes: tuple[str, ...] = ()
    box_notes: tuple[str, ...] = ()
    listing: Listing | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    instances: Instances = "auto"
    aside: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    mixed: str = ""
    names: tuple[str, ...] = ()
    normal: str = ""
    caption_faults: tuple[str, ...] = ()
    blanked: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def subset(self, *splits: str) -> list[Row]:
        """Rows of these splits, in order."""
        return [row for row in self.rows if row.split in splits]

    @property
    def labelled(self) -> list[Row]:
        """Rows whose label is known."""
        return [row for row in self.rows if row.label is not None]

    @property
    def digest(self) -> str:
        """Identity of the table: ids, labels, groups, splits and how rows were chosen, not pixels."""
        chosen = [(row.chosen,) if row.chosen is not None else () for row in self.rows]  # nothing of a table that does not say
        objects = [
            row.listed if row.boxes is not None or row.window is None else None for row in self.rows
        ]  # a window's label stands already
        chosen = [(*how, listed.digest) if listed is not None else how for how, listed in zip(chosen, objects, strict=True)]
        unlabelled = [row.normal is not None and row.label is None for row in self.rows]  # a label says it already
        chosen = [(*how, row.normal) if said else how for how, row, said in zip(chosen, self.rows, unlabelled, strict=True)]
        chosen = [(*how, row.questions) if row.questions else how for how, row in zip(chosen, self.rows, strict=True)]
        told = zip(self.rows, chosen, strict=True)
        lines = (repr((row.id, row.label, row.mask, row.boxes, row.captions or None, row.group, row.split, *how)) for row, how in told)
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()

    def require_usable(self, on_error: Literal["fail", "skip"]) -> None:
        """Raises `DataError` where an image cannot be trusted and none may be skipped, `RecipeError` where the images are no one set."""
        if self.mixed:
            raise RecipeError(self.mixed)
        if self.faults and on_error == "fail":
            first, *others = self.faults.values()
            more = [f"{len(others)} more cannot be trusted: `labelfree data check` names all."] if others else []
            way = [f"data.on_error=skip leaves {'them' if others else 'it'} out."] if "data.on_error=skip" not in first else []
            raise DataError(" ".join([first, *more, *way]))

    def with_groups(self, groups: Mapping[str, str]) -> Manifest:
        """The same table with the group of each row id in `groups` replaced; other rows of a group that is renamed go along."""
        renamed = {row.group: groups[row.id] for row in self.rows if row.id in groups and row.group is not None}
        final = [groups.get(row.id) or renamed.get(row.group or "") or row.group for row in self.rows]
        return replace(self, rows=[replace(row, group=group) for row, group in zip(self.rows, final, strict=True)])


def load_manifest(data: Data, domain: Domain) -> Manifest:
    """The manifest that the recipe's `data` names: card, table of labels, `splits.csv`, class folders or plain folder.

    Raises `DataError` naming the file or row that is at fault.
    """
    card = effective_card(data)
    made = _asked(_captioned(_load(data, domain, card), data.captions), data.questions)
    made = replace(made, rows=with_elsewhere(made.rows, made.root, data.normal, domain))
    people = data.class_folders == "auto" and data.card is None and getattr(domain, "confidential", False)
    made = _grouped_by_folder(made, domain) if data.group_folders else _may_be_grouped(made, domain)
    made = with_normal(made, data, folders=data.class_folders is not False and not people)
    of_card = _texts(card.classes) if card else {}
    return replace(made, renamed={**made.renamed, **of_card, **_texts(data.classes)}, instances=data.instances)


def _captioned(made: Manifest, source: Path | None) -> Manifest:
    """The manifest with what `data.captions` says of its images."""
    if source is None:
        return made
    source = source.expanduser()
    told = captions_of(unpacked(source), tars=True) if shards_in(source) else captions_of(source)
    rows, notes, faults = captioned(told, source, made.rows, made.root)
    return replace(made, rows=rows, notes=(*made.notes, *notes), caption_faults=tuple(faults))


def _asked(made: Manifest, source: Path | None) -> Manifest:
    """The manifest with what `data.questions` asks of its images."""
    if source is None:
        return made
    asked = with_questions(source.expanduser(), made.rows, made.root)
    return replace(made, rows=asked.rows, notes=(*made.notes, *asked.notes), caption_faults=(*made.caption_faults, *asked.faults))


def with_questions_beside(made: Manifest) -> Manifest:
    """The manifest with what `questions.csv` in its root asks, where `data.questions` named no other table."""
    file = made.root / USUAL
    return made if any(row.questions for row in made.rows) or not file.is_file() else _asked(made, file)


def _grouped_by_folder(made: Manifest, domain: Domain) -> Manifest:
    """The manifest with the folder of an image as its group where it has none: that which is called as a group is, where any is.

    Raises `DataError` where no image lies in a folder.
    """
    folders = named_groups(made.rows, domain) or {row.id: row.id.rpartition("/")[0] for row in made.rows if row.group is None}
    named = sorted(set(folders.values()) - {""})
    if not named:
        raise DataError(f"data.group_folders: no image without a group lies in a folder under {made.root}; leave it out.")
    note = f"Images of one folder belong together: {len(named):,} folders are groups ({', '.join(named[:3])}{', …' * (len(named) > 3)})."
    rows = [replace(row, group=folders.get(row.id) or row.group) for row in made.rows]
    return replace(made, rows=rows, notes=(*made.notes, note))


def _may_be_grouped(made: Manifest, domain: Domain) -> Manifest:
    """The manifest with a sentence on folders that are called as groups are, where it has no split."""
    names = [] if made.given_split else sorted(set(named_groups(made.rows, domain).values()))
    if not names:
        return made
    shown = f"{', '.join(names[:3])}{', …' * (len(names) > 3)}"
    note = f"Folders {shown} are called as what belongs together is: data.group_folders=true keeps images of one on one side."
    return replace(made, notes=(*made.notes, note))


def with_normal(made: Manifest, data: Data, *, folders: bool = False) -> Manifest:
    """The manifest with what `data.normal` says of its rows. `folders`: whether names of folders may say it by themselves."""
    told = told_normal(made.rows, made.root, data.normal, folders=folders)
    return replace(made, rows=told.rows, notes=(*made.notes, *told.notes), normal=told.taken)


def _texts(classes: Mapping[int | str, str] | Mapping[int, str]) -> dict[str, str]:
    return {str(name): other for name, other in classes.items()}  # YAML reads the numbers of masks as numbers


def _load(data: Data, domain: Domain, card: Card | None) -> Manifest:
    root = _root(data, card, domain)
    name = card.name if card else root.resolve().name or "data"
    if data.labels is not None:
        return _from_labels(data, data.labels, root, name, domain)
    if (root / SPLITS_FILE).is_file():
        return _from_table(root / SPLITS_FILE, root, name, domain, data.where, inside=card is not None)
    if data.where:
        raise DataError(f"data.where: {root} has no table of labels whose rows could be taken; name one with data.labels.")
    classes = data.class_folders is not False and (card is None or card.task != "none")
    people = data.class_folders == "auto" and card is None and getattr(domain, "confidential", False)
    return _from_folder(root, name, domain, classes, people, data.class_folders is True)


def manifest_from_dataset(
    dataset: Any,
    channels: Sequence[str],
    *,
    labels: Sequence[Any] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    unit: str = "",
    name: str = "dataset",
) -> Manifest:
    """A manifest over a torch `Dataset` whose items are a (C, *spatial) tensor, or a tuple of one and a label (None: unlabelled).

    Labels come from `labels`, else from the data set's `targets`, else from its items, which are then read once.
    """
    known = labels if labels is not None else getattr(dataset, "targets", None)
    if known is None:
        known = [
            item[1] if isinstance(item, tuple | list) and len(item) > 1 else None for item in (dataset[i] for i in range(len(dataset)))
        ]
    for key, values in {"labels": known, "groups": groups, "splits": splits}.items():
        if values is not None and len(values) != len(dataset):
            raise DataError(f"{name}: {len(values)} {key} for {len(dataset)} items.")
    names = getattr(dataset, "classes", None)
    rows = [
        Row(
            id=f"{name}/{i:07d}",
            path=Path(f"{name}/{i:07d}"),
            label=_class_name(known[i], names),
            group=str(groups[i]) if groups is not None else None,
            split=splits[i] if splits is not None else "",
            item=i,
        )
        for i in range(len(dataset))
    ]
    return _manifest(rows, Path(), name, read=_ItemReader(dataset, tuple(channels), unit))


@dataclass(frozen=True)
class _ItemReader:
    """Reads items of a user's data set as samples (a class, so that it can be sent to a worker process)."""

    dataset: Any
    channels: tuple[str, ...]
    unit: str

    def __call__(self, row: Row) -> Sample:
        import torch

        item = self.dataset[row.item]
        image = item[0] if isinstance(item, tuple | list) else item
        image = image if isinstance(image, torch.Tensor) else torch.as_tensor(image)
        if image.ndim < 2 or image.shape[0] != len(self.channels):
            raise DataError(
                f"{row.id}: shape {tuple(image.shape)}; {len(self.channels)} channels first were announced ({', '.join(self.channels)})."
            )
        ones, zeros = (1.0,) * len(self.channels), (0.0,) * len(self.channels)
        return Sample(image, self.channels, ones, zeros, self.unit, source=row.id)


def _class_name(value: Any, names: Sequence[str] | None) -> str | None:
    if value is None:
        return None
    value = value.item() if hasattr(value, "item") else value
    return str(names[value]) if names is not None and isinstance(value, int) else str(value)


def _root(data: Data, card: Card | None, domain: Domain) -> Path:
    if data.root is not None:
        root = _unpacked_root(data.root.expanduser(), data.captions)
    elif card is not None and card.generated:
        return generated_root(domain, card.variant)
    elif card is not None:
        raise DataError(f"data.card: the images of {card.name} do not come with labelfree; say where they are with data.root=DIR.")
    elif data.labels is not None:
        root = data.labels.expanduser().parent
    elif data.captions is not None:
        source = data.captions.expanduser()
        root = unpacked(source) if shards_in(source) else source if source.is_dir() else source.parent
    else:
        raise DataError("data: nothing to read; give data.root=DIR, data.labels=FILE, data.captions=FILE or data.card=NAME.")
    if isinstance(domain, ReadsRemote) and domain.remote(re.sub(r"^(\w+):/(?=[^/])", r"\1://", str(root))):
        raise DataError(f"data.root: {root} is an address; list its images in a table (data.labels, column path); data.root is local.")
    if not root.is_dir():
        raise DataError(f"data.root: {root} {'is not a folder' if root.exists() else 'does not exist'}.")
    return root


def _unpacked_root(root: Path, captions: Path | None) -> Path:
    """The root, or where what `captions` name is its tars alone, the folder that these are unpacked into."""
    source = captions.expanduser() if captions else None
    if source is None or not root.is_dir() or not shards_in(source) or root.resolve() not in (source.resolve(), source.resolve().parent):
        return root
    alone = all(path.suffix.lower() == ".tar" or path.name.startswith(".") for path in root.iterdir())
    return unpacked(source) if alone else root


def _from_folder(root: Path, name: str, domain: Domain, classes: bool, people: bool, sure: bool) -> Manifest:
    layout = rows_of_folder(root, domain, classes, people, sure)
    scenes = not layout.class_folders and classes and all("/" in row.id for row in layout.rows) and hold_scenes(layout.rows, domain)
    of_scenes = "Sub-folders hold scenes, so their names are not taken as classes; give a table of labels."
    made = _manifest(layout.rows, root, name, notes=[*layout.notes, *([of_scenes] if scenes else [])])
    return _with(layout.contents, replace(made, class_folders=layout.class_folders))


def _with(contents: Contents | None, made: Manifest) -> Manifest:
    """The manifest with what the domain tells of its folder besides rows."""
    if contents is None:
        return made
    there = {row.path for row in made.rows}
    faults = {path: sentence for path, sentence in contents.faults.items() if made.root / path not in there}
    shown = replace(made, notes=(*contents.notes, *made.notes), renamed=contents.classes, aside=contents.aside, faults=faults)
    shown = replace(shown, names=tuple(contents.names))
    return shown if {row.id for row in contents.rows} - {row.id for row in made.rows} else replace(shown, mixed=contents.mixed)


def _from_table(file: Path, root: Path, name: str, domain: Domain, where: Where, inside: bool) -> Manifest:
    inventory = take_inventory(root, domain) if isinstance(domain, ListsImages) else None
    named = _named(inventory)
    finder = Finder(file, root, lambda: (inventory or take_inventory(root, domain)).files, named)
    table = open_table(file, finder.holds, where=where)
    rows, notes = rows_of_records(table.records, finder, domain, inside)
    rows, counted = drawn_by_table(rows)
    made = replace(_manifest(rows, root, name, notes=[*table.notes, *notes]), box_notes=tuple(counted))
    return _with(named.contents if named is not None else None, made)


def _named(inventory: Inventory | None) -> NamedImages | None:
    """What looks up names of images, where the domain lists them itself."""
    return NamedImages(inventory.contents, inventory.root) if inventory is not None and inventory.contents is not None else None


def _from_labels(data: Data, labels: Path, root: Path, name: str, domain: Domain) -> Manifest:
    """The table's rows, or those of a vector file's shapes, and every other image under the root as an unlabelled row."""
    file = labels.expanduser()
    if not file.exists():
        raise DataError(f"data.labels: {file} does not exist (a relative path is also looked for in data.root, here {root}).")
    inventory = take_inventory(root, domain, known=[file])
    images = inventory.rows
    fields = LabelFields(data.label_field, data.date_field)
    shapes = domain.shapes(file, fields, images) if isinstance(domain, ReadsShapes) else None
    names = _texts(data.classes)
    if shapes is not None:
        rows, of_shapes = rows_of_shapes(shapes[0], names)
        made = _manifest(rows, root, name, notes=[*inventory.all_notes(), *shapes[1]])
        return _with(inventory.contents, replace(made, listing=of_shapes))
    listing = listing_of(file, root, data.label_field, data.where)
    if data.where and (shapes is not None or file.is_dir() or (listing is not None and not listing.rows_chosen)):
        raise DataError(f"data.where: {file} is no table, so it has no rows to choose from; leave it out.")
    if listing is not None:
        rows, listing = rows_of_listing(listing, file, images, root, names)
        made = _manifest(rows, root, name, notes=[*inventory.all_notes(), *listing.notes])
        return _with(inventory.contents, replace(made, listing=listing))
    if file.is_dir() and (masks := domain.files(file)):
        rows, faults = rows_of_masks(masks, file, images, root)
        notes = [f"{file.name}: a folder of masks, {sum(row.mask is not None for row in rows):,} of {len(rows):,} images have one."]
        notes += inventory.all_notes(named=set(masks))
        made = _manifest(rows, root, name, notes=notes)
        return _with(inventory.contents, replace(made, listing=Listing("masks", [], faults=faults)))
    finder = Finder(file, root, lambda: inventory.files, _named(inventory))
    table = open_table(file, finder.holds, data.label_field, data.where)
    left = {same_file(path) for record in table.left if (path := finder.file(record.path)) is not None}
    try:
        rows, notes = rows_of_records(table.records, finder, domain, inside=False)
    except DataError as error:
        raise DataError(f"{error} {table.several}".rstrip()) from error
    rows, counted = drawn_by_table(rows)
    rows = [row if row.listed is None else replace(row, listed=called(row.listed, names)) for row in rows]
    named = [(None if row.window else row.path, row.mask, row.boxes) for row in rows]  # a mask is no image, a part of a scene not all of it
    listed = left | {same_file(Path(name)) for names in named for name in names if name}
    ids = {row.id for row in rows}
    parts = {same_file(row.path) for row in rows if row.key or row.files}  # the others of such a file are images of their own
    others = [row for row in images if row.id not in ids and ((mine := same_file(row.path)) not in listed or mine in parts)]
    rows += _in_their_groups(others, rows, images)
    file_notes = inventory.all_notes(named={mask for mask in inventory.masks if same_file(mask) in listed})
    made = replace(_manifest(rows, root, name, notes=[*file_notes, *table.notes, *notes]), box_notes=tuple(counted))
    return _with(inventory.contents, made)


def _in_their_groups(others: Sequence[Row], tabled: Sequence[Row], images: Sequence[Row]) -> list[Row]:
    """Rows without a line of their own in the group that the table gives to all others whose files name the same one, as of a patient."""
    named = {row.id: row.group for row in images if row.group}
    given: dict[str | None, set[str | None]] = {}
    for row in tabled:
        if row.id in named:
            given.setdefault(named[row.id], set()).add(row.group)
    renamed = {group: groups.pop() for group, groups in given.items() if len(groups) == 1}
    return [replace(row, group=renamed.get(row.group, row.group)) for row in others]


def _manifest(
    rows: list[Row], root: Path, name: str, *, read: Callable[[Row], Sample] | None = None, notes: Sequence[str] = ()
) -> Manifest:
    blank = [replace(row, label=None, mask=None, boxes=None, listed=None) if row.split == "pretrain" else row for row in rows]
    classes = tuple(sorted({row.label for row in blank if row.label is not None}))
    given = any(row.split in ("train", "dev", "test") for row in blank)
    alike = [f"Classes that differ in capitals alone are kept apart: {', '.join(names)}." for names in differ_in_case(classes)]
    blanked = {row.id: row.label for row in rows if row.split == "pretrain" and row.label is not None}
    return Manifest(blank, root, name, classes, read=read, given_split=given, notes=(*notes, *alike), blanked=blanked)
