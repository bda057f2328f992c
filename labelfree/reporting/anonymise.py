"""Hides names: salted ones for rows and groups, `<data.root>` for roots, `<user>` and `<host>` for people and machines."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import re
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import yaml

from labelfree.data.folders import cache_folder
from labelfree.data.our_folders import home_of, private_of
from labelfree.identifying import IdentifyingForm
from labelfree.installed_domains import forms_where_installed
from labelfree.recipe_yaml import Dumper
from labelfree.reporting.brief_names import Brief, mistakable
from labelfree.reporting.names_within import NamesWithin
from labelfree.training.files import kept_secret
from labelfree.weight_names import INFLATED, PUBLISHED, weight_file

if TYPE_CHECKING:
    from labelfree.reporting.files import RunFiles

LENGTH = 12  # hexadecimal digits of a salted name
SALTED = re.compile(rf"(row|group|name)-[0-9a-f]{{{LENGTH}}}")
ABSOLUTE = re.compile(r"(?<![\w.:/<>~\\])(?:[A-Za-z]:\\(?:[^\\\s\"'<>]+\\)+|/(?:[^/\s\"'<>]+/)+)")
IDENTIFYING = "identifying.txt"  # in private/: what else must be hidden, a name a line
NAMED_ALONE = {  # files and folders whose names are hidden without the path before them, too
    "<data.root>", "<data.labels>", "<data.captions>", "<data.questions>", "<evaluate.prompts>", "<weights>",
}  # fmt: skip
PLAIN = {  # folder names that tell nothing and words a run uses itself: hiding them would only spoil sentences
    "pretrain", "train", "dev", "test", "val", "valid", "validation", "images", "image", "data", "labels", "masks", "pool", "unlabelled",
    "unlabeled", "labelled", "labeled", "random", "imagenet", "domain", "statistics", "linear", "accuracy", "f1", "knn", "cpu", "gpu",
    "all", "img", "imgs", "rgb", "r2", "cv", "px",
}  # fmt: skip


def dataset_salt(pools: Path, dataset: str) -> bytes:
    """The secret of a data set, made at first use and kept beside its pools, so that all its runs name a row alike."""
    name = hashlib.sha256(dataset.encode()).hexdigest()[:16]
    return kept_secret(pools / "salts" / f"{name}.key")


class Anonymiser:
    """Hides what a run must not tell.

    Args: `salt`: the data set's secret; `ids`, `groups`: all there are; `roots`: path -> what stands for it; `words`: name -> what
    stands for it; `open_words`: names that may be read, such as classes; `forms`: of names that are hidden whoever's they are.
    """

    def __init__(
        self, salt: bytes, ids: Iterable[str] = (), groups: Iterable[str] = (), roots: Mapping[str, str] | None = None,
        words: Mapping[str, str] | None = None, open_words: Iterable[str] = (), forms: Sequence[IdentifyingForm] = (),
    ) -> None:  # fmt: skip
        self.salt = salt
        self._known: dict[str, str] = {}
        self.ids = {each: self.row(each) for each in ids if each}
        self.groups = {each: self.group(each) for each in groups if each}
        self.roots = dict(roots or {})
        self._forms = re.compile("|".join(f"(?:{form.pattern})" for form in forms)) if forms else None
        kept = PLAIN | {word.lower() for word in open_words}
        parts = {
            part: _salted(salt, "name", part)
            for each in self.ids
            for part in _parts(each)
            if not part.endswith(":") and not SALTED.fullmatch(part)
        }
        hidden = {name: shown for name, shown in {**parts, **(words or {})}.items() if name and name.lower() not in kept}
        self.words = {name: shown for name, shown in hidden.items() if not mistakable(name)}
        self._ids_within, self._groups_within, self._words_within = map(NamesWithin, (self.ids, self.groups, self.words))
        self.brief = Brief({name: shown for name, shown in {**self.groups, **hidden}.items() if mistakable(name) and name not in kept})

    @classmethod
    def of(cls, folder: Path) -> Anonymiser:
        """What is to be hidden in a run folder, from its recipe, splits.csv and this machine."""
        from labelfree.reporting.files import RunFiles

        run, home = RunFiles(folder), home_of(folder)
        given = (
            (_root(run), "<data.root>"),
            (run.asked("data.labels"), "<data.labels>"),
            (run.asked("data.captions"), "<data.captions>"),
            (run.asked("data.questions"), "<data.questions>"),
            (_normal(run), "<data.normal>"),
            (run.asked("evaluate.prompts"), "<evaluate.prompts>"),
            (run.asked("pool.dir"), "<pool.dir>"),
            (folder, "<run>"),
            (home, "<run>"),
            *((path, "<weights>") for path in _weights(run)),
        )
        roots = {
            str(form): shown for path, shown in given if path and not str(path).startswith("<") for form in (path, Path(path).resolve())
        }
        words = {_user(): "<user>", socket.gethostname(): "<host>", socket.gethostname().partition(".")[0]: "<host>"}
        words |= {Path(path).name: shown for path, shown in given if path and shown in NAMED_ALONE}
        if not home.name.startswith(str(run.setting("name") or home.name)):  # else it is the recipe's name and a time
            words[home.resolve().name] = "<run>"
        words.pop("root", None)
        spoken = {*run.classes, *run.fingerprint.get("channels", ()), str(run.setting("domain")), str(run.setting("name"))}
        spoken |= {str(run.card.get("name", "")), *_labels(run)}
        salt = _salt(run)
        forms = forms_where_installed(str(run.setting("domain")))
        words |= {word: _salted(salt, "name", word) for word in _identifying(folder, forms)}
        return cls(salt, (row["path"] for row in run.splits), (row.get("group", "") for row in run.splits), roots, words, spoken, forms)

    def row(self, name: str) -> str:
        """What stands for a row id; what is hidden already stays."""
        return _salted(self.salt, "row", name)

    def group(self, name: str) -> str:
        """What stands for a group."""
        return _salted(self.salt, "group", name)

    def text(self, text: str) -> str:
        """A sentence, path or command with every name in it hidden."""
        if text not in self._known:  # the same few words come again and again, and looking for many thousand ids takes its time
            self._known[text] = self._hidden(text)
        return self._known[text]

    def _hidden(self, text: str) -> str:
        for table, names, whole in ((self.ids, self._ids_within, False), (self.groups, self._groups_within, True)):
            for name in sorted(names.of(text), key=len, reverse=True):
                if whole and mistakable(name):
                    continue
                for form in {name, name.replace("/", "\\")}:
                    text = _swap(text, form, table[name])
        for root in sorted(self.roots, key=len, reverse=True):
            if len(root) > 1:
                text = _swap(text, root, self.roots[root], start=r"(?<![\w/\\.])", end=r"(?![\w])")
        text = re.sub(r"(data\.(?:root|labels)|pool\.dir)=(?!<)(?:\\.|[^\s'\"])+", r"\1=<\1>", text)
        home = str(Path.home())
        text = text.replace(home, "~") if len(home) > 1 else text
        text = ABSOLUTE.sub("<path>/", text)
        text = self._by_form(text)
        for word in self._words_within.of(text):
            text = _swap(text, word, self.words[word])
        return self.brief.hidden(text)

    def _by_form(self, text: str) -> str:
        """Text without what identifies somebody by how it is written."""
        return text if self._forms is None else self._forms.sub(lambda match: _salted(self.salt, "name", match[0]), text)

    def name(self, text: str) -> str:
        """A name that stands alone, such as a data set's."""
        return self.brief.names.get(text) or self.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value with every string in it hidden. Keys are ours and stay."""
        if isinstance(value, str):
            known = self.ids.get(value) or self.groups.get(value)
            if value.isdigit():  # scores and counts stay; a name of many digits is none
                named = self.brief.names.get(value) if len(value) > 4 or value.startswith("0") else None
                return known or named or self._by_form(value)
            return known or self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        return {key: self.value(each) for key, each in value.items()} if isinstance(value, dict) else value

    def recipe(self, text: str) -> str:
        """A recipe as YAML; the keys that hold roots say so."""
        shown = self.value(yaml.safe_load(text))
        for section, key in (("data", "root"), ("data", "labels"), ("pool", "dir")):
            if isinstance(shown.get(section), dict) and shown[section].get(key):
                shown[section][key] = f"<{section}.{key}>"
        return yaml.dump(shown, Dumper=Dumper, sort_keys=False, allow_unicode=True)

    def cover(self, run: RunFiles) -> None:
        """Hide names in all that the page quotes of a run. Scores and counts are left."""
        quoted = {name: self.value(getattr(run, name)) for name in ("environment", "notes", "claim_notes", "plan", "card", "prompted")}
        run.__dict__.update(
            quoted,
            leaks=run.leaks and run.leaks | {"sentence": self.text(run.leaks.get("sentence", ""))},
            recipe_text=self.recipe(run.recipe_text),
        )

    def table(self) -> list[tuple[str, str]]:
        """(name, what stands for it) of every row and group that is not hidden yet."""
        return [(name, shown) for name, shown in [*self.ids.items(), *self.groups.items()] if name != shown]


def _salted(salt: bytes, kind: str, name: str) -> str:
    if not name or SALTED.fullmatch(name):
        return name
    return f"{kind}-{hmac.new(salt, f'{kind} {name}'.encode(), hashlib.sha256).hexdigest()[:LENGTH]}"


def _identifying(folder: Path, forms: Sequence[IdentifyingForm]) -> set[str]:
    """What the images' files say of people, as the run keeps it for its owner: whole, and the parts of names that are written in parts."""
    path = private_of(folder) / IDENTIFYING
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    separators = {form.separator for form in forms if form.separator}
    return {word for line in lines for word in (line, *(part for each in separators for part in line.split(each))) if word}


def _parts(identity: str) -> set[str]:
    """Names in a row id: of its folders and its file, with and without ending, and without the window of a scene behind `#`."""
    path = PurePath(identity)
    whole = path.name.partition("#")[0]
    return {*path.parts, path.stem, whole, PurePath(whole).stem} - {""}


def _swap(text: str, name: str, shown: str, start: str = r"(?<![A-Za-z0-9])", end: str = r"(?![A-Za-z0-9])") -> str:
    return re.sub(f"{start}{re.escape(name)}{end}", lambda _: shown, text)


def _salt(run: RunFiles) -> bytes:
    """The secret of the run's data set. A run that is hidden already has no name left to salt: it needs no lasting one."""
    root, pools = _root(run), run.asked("pool.dir")
    if root == "<data.root>" or pools == "<pool.dir>":
        return secrets.token_bytes(32)
    dataset = str(Path(root).resolve()) if root else str(run.card.get("name") or run.setting("data.card") or "")
    try:
        return dataset_salt(Path(pools) if pools else cache_folder() / "pools", dataset)
    except OSError:  # the report is made where the pools are not, or on a read-only disk
        return dataset_salt(private_of(run.folder), dataset)


def _root(run: RunFiles) -> str | None:
    """The folder of the images: the recipe's, else that of its labels or captions."""
    root, beside = run.asked("data.root"), run.asked("data.labels") or run.asked("data.captions")
    if root or not beside:
        return root or None
    return "<data.root>" if beside in ("<data.labels>", "<data.captions>") else str(Path(beside).parent)


def _normal(run: RunFiles) -> str | None:
    """The folder of normal images; None where `data.normal` is the name of a class."""
    said = run.asked("data.normal")
    return str(said) if isinstance(said, str) and Path(said).is_absolute() else None


def _weights(run: RunFiles) -> list[str]:
    """Weight files that the recipe names, and the run whose networks were taken over."""
    arms = run.asked("evaluate.arms") or []
    named = [arm.get("weights") for arm in arms if isinstance(arm, dict) and arm.get("weights") not in (PUBLISHED, INFLATED)]
    options = run.asked("pretrain.options") or {}
    inits = [text for text in (run.asked("backbone.init"), options.get("text")) if isinstance(text, str) and weight_file(text)]
    return [str(path) for path in (*named, *inits, run.taken_from) if path]


def _labels(run: RunFiles) -> set[str]:
    return {row.get("label", "") for row in run.splits}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
