"""What lies under a data root: the images that the domain reads, and what is left aside, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from labelfree.data.our_folders import is_run
from labelfree.data.structure import ending_of, masks_among
from labelfree.data.twins import twin_masks
from labelfree.data.walk import Walk
from labelfree.domain import Contents, Domain, KnowsKinds, ListsImages, Row
from labelfree.errors import DataError

MOST_KINDS = 5  # kinds of files that a sentence names


@dataclass(frozen=True)
class Inventory:
    """`rows`: the images. `aside`: folders without an image that are nobody's class. `notes`: sentences on what is not read.

    `contents`: as the domain tells of them, where a file is not yet an image. `masks`: files that are masks of the images by their
    names. `nothing`: what to say where there is no image.
    """

    root: Path
    rows: list[Row]
    masks: list[Path]
    aside: frozenset[str]
    notes: tuple[str, ...]
    nothing: str
    contents: Contents | None = None

    @property
    def files(self) -> list[Path]:
        """The file of each image, once where it holds several."""
        return list(dict.fromkeys(row.path for row in self.rows))

    def all_notes(self, named: Set[Path] = frozenset()) -> tuple[str, ...]:
        """The notes, with one on masks that are left out. `named`: those that a table names."""
        left = [path.relative_to(self.root) for path in self.masks if path not in named]
        if not left:
            return self.notes
        where = list(dict.fromkeys(f"{path.parent.as_posix()}/" if len(path.parts) > 1 else path.name for path in left))
        are = "files are masks or other annotations" if len(left) > 1 else "file is a mask or another annotation"
        sentence = f"{len(left):,} {are} of images by their names and {_are(len(left))} left out ({', '.join(where[:3])}"
        more = ", …" if len(where) > 3 else ""
        return (*self.notes, f"{sentence}{more}); a table of labels may name them in a column `mask`.")


def take_inventory(root: Path, domain: Domain, known: Iterable[Path] = ()) -> Inventory:
    """Everything under `root`. `known`: tables and the like that are read elsewhere.

    Raises `DataError` where the root is a run of labelfree.
    """
    if is_run(root):
        raise DataError(f"{root}: is the folder of a run of labelfree, not one of images; name the folder that holds your images.")
    advice = domain.advice if isinstance(domain, KnowsKinds) else {}
    contents = domain.contents(root) if isinstance(domain, ListsImages) else None
    rows = _plain(root, domain.files(root)) if contents is None else list(contents.rows)
    images, other = (
        {row.path for row in rows} | (contents.files if contents else frozenset()),
        list[Path](),
    )  # folders that are files of a kind of their own, such as .zarr

    def enter(folder: Path) -> bool:
        if folder not in images and _kind(folder.name, advice) in advice:
            other.append(folder)
        return folder not in images and folder not in other

    walk = Walk(root, enter)
    walked = [folder / name for folder, names in walk for name in names]
    skipped = {*walk.ours, *other}
    rows = [row for row in rows if skipped.isdisjoint(row.path.parents)]
    unread = Counter(_kind(path.name, advice) for path in [*walked, *other] if path not in images and path not in known)
    notes = _passed_over(walk)
    nothing = _nothing(root, domain, unread, [*notes, *(contents.aside[:MOST_KINDS] if contents else ())])
    parts = {row.path.relative_to(root).parts: row.path for row in rows}
    masks = masks_among(list(parts))
    masks = masks if len(masks) < len(parts) else set()
    if contents is None:
        known_masks = {parts[mask] for mask in masks}
        twins, told = twin_masks([row for row in rows if row.path not in known_masks], domain.read)
        masks |= {path.relative_to(root).parts for path in twins}
        notes += told
    advised = {ending: number for ending, number in unread.most_common() if ending in advice}
    notes += [f"{_files(number, ending)} {_are(number)} not read: {advice[ending]}." for ending, number in advised.items()]
    aside = {part for folder in (*walk.ours, *walk.links, *walk.closed) for part in folder.relative_to(root).parts[:1]}
    aside |= {part[0] for part in masks}
    left_out = [file for part, file in parts.items() if part in masks]
    out = set(left_out)
    return Inventory(root, [row for row in rows if row.path not in out], left_out, frozenset(aside), tuple(notes), nothing, contents)


def _plain(root: Path, files: Iterable[Path]) -> list[Row]:
    """A row for each file."""
    return [Row(file.relative_to(root).as_posix(), file) for file in files]


def _kind(name: str, advice: Container[str]) -> str:
    """The ending that is told of a file: the last one where nothing is known of both together, as of a.tif.gz."""
    whole = ending_of(name)
    last = f".{whole.rpartition('.')[2]}"
    return last if whole not in advice and last in advice else whole


def _nothing(root: Path, domain: Domain, unread: Counter[str], notes: Sequence[str]) -> str:
    sentence = f"{root}: holds no image that the {domain.name} domain reads"
    if unread:
        shown = ", ".join(_files(number, ending) for ending, number in unread.most_common(MOST_KINDS))
        sentence += f", but {shown}{', …' if len(unread) > MOST_KINDS else ''}"
    if isinstance(domain, KnowsKinds):
        known = [ending for ending, _ in unread.most_common() if ending in domain.advice]
        alike = {way: [ending for ending in known if domain.advice[ending] == way] for way in map(domain.advice.__getitem__, known)}
        ways = [f"{', '.join(endings)}: {way}" for way, endings in alike.items()]
        sentence += f"; {'; '.join(ways)}" if ways else f". It reads {domain.kinds}"
    return " ".join([f"{sentence}.", *notes])


def _passed_over(walk: Walk) -> list[str]:
    """Sentences on folders that were not gone into."""
    runs, others = ([folder for folder in walk.ours if is_run(folder) is run] for run in (True, False))
    return [
        *_note(walk, runs, ("folder holds a run of labelfree and is not read", "folders hold runs of labelfree and are not read")),
        *_note(walk, others, ("folder was written by labelfree and is not read", "folders were written by labelfree and are not read")),
        *_note(walk, walk.links, ("link to a folder that is read already, or leads back above it, is not followed",
                                  "links to folders that are read already, or lead back above them, are not followed")),
        *_note(walk, walk.closed, ("folder may not be opened and is not read", "folders may not be opened and are not read")),
    ]  # fmt: skip


def _note(walk: Walk, folders: Sequence[Path], phrases: tuple[str, str]) -> list[str]:
    names = ", ".join(f"{folder.relative_to(walk.root).as_posix()}/" for folder in folders[:3]) + (", …" if len(folders) > 3 else "")
    return [f"{len(folders):,} {phrases[len(folders) > 1]} ({names})."] if folders else []


def _files(number: int, ending: str) -> str:
    several = number != 1
    what = f"that end{'' if several else 's'} in {ending}" if ending else "without an ending"
    return f"{number:,} file{'s' * several} {what}"


def _are(number: int) -> str:
    return "are" if number > 1 else "is"
