"""What each key of `expect.json` expects: one check a key, which yields a sentence for everything that is not so.

`expected` is the key's value there, mostly step -> what must hold of it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.errors import LabelfreeError
from tests.cases.case import EVERY_STEP, Case
from tests.cases.steps import Outcome, Workplace

ALIKE = 0.9999  # cosine of two vectors that must agree
EARTH = 6_371_008.8  # metres, its mean radius
SHOWN = 4_000  # characters of an output that stand in a failure


@dataclass(frozen=True)
class Done:
    """A case that was carried out: name of each step -> its outcome."""

    case: Case
    place: Workplace
    outcomes: Mapping[str, Outcome]

    def found(self, step: str) -> Any:
        """What a step of Python gave. Unmet where it gave nothing."""
        outcome = self.outcomes[step]
        if outcome.found is None:
            raise Unmet(f"`{step}` gave nothing, but said: {outcome.text}")
        return outcome.found

    def left(self, step: str, name: str) -> Path:
        """A file that the run of a step left. Unmet where it did not."""
        run = self.outcomes[step].run
        if run is None or not (run / name).is_file():
            raise Unmet(f"`{step}` left no {name} (exit code {self.outcomes[step].code})")
        return run / name

    def splits(self, step: str) -> list[dict[str, str]]:
        """Rows of the run's splits.csv."""
        with self.left(step, "splits.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


class Unmet(Exception):
    """An expectation that cannot even be looked at."""


Check = Callable[[Any, Done], Iterator[str]]


def judge(done: Done) -> str:
    """Empty if the case meets one of its expectations; else what is not so of each, and what its steps said."""
    wrong = {why: _unmet(expectation, done) for why, expectation in done.case.expectations.items()}
    if not all(wrong.values()):
        return ""
    told = ["\n".join([f"or [{why}]", *(f"  - {line}" for line in lines)]) for why, lines in wrong.items()]
    told[0] = f"{done.case.folder.name}: {told[0].removeprefix('or ')}"
    told += [f"--- {step}: exit code {got.code}, {got.seconds:.1f} s\n{got.text[-SHOWN:].strip()}" for step, got in done.outcomes.items()]
    return "\n".join(told)


def _unmet(expectation: Mapping[str, Any], done: Done) -> list[str]:
    found = list(no_fault_of_ours(done))
    for key, expected in expectation.items():
        try:
            found += CHECKS[key](expected, done)
        except Unmet as reason:
            found.append(f"{key}: {reason}")
    return found


def no_fault_of_ours(done: Done) -> Iterator[str]:
    """Nowhere may a traceback stand, nor the sentence that calls something a fault of labelfree."""
    yield from never({EVERY_STEP: [r"Traceback \(most recent", "fault of labelfree"]}, done)


def exit_codes(expected: Mapping[str, list[int]], done: Done) -> Iterator[str]:
    """Step -> exit codes that are right."""
    for step, codes in expected.items():
        if done.outcomes[step].code not in codes:
            yield f"exit: `{step}` ended with {done.outcomes[step].code}, right is {' or '.join(map(str, codes))}"


def limit(expected: Mapping[str, float], done: Done) -> Iterator[str]:
    """Step -> seconds."""
    for step, seconds in expected.items():
        if done.outcomes[step].seconds > seconds:
            yield f"limit: `{step}` took {done.outcomes[step].seconds:.1f} s, at most {seconds} are right"


def says(expected: Mapping[str, list[str]], done: Done) -> Iterator[str]:
    """Step -> expressions, each of which its output contains."""
    for step, expressions in expected.items():
        yield from (f"says: `{step}` does not say /{wanted}/" for wanted in expressions if not _said(wanted, done.outcomes[step]))


def names(expected: Mapping[str, list[str]], done: Done) -> Iterator[str]:
    """Step -> file names, each of which stands in its output."""
    for step, files in expected.items():
        absent = (file for file in files if not _said(rf"(?<!\w){re.escape(file)}", done.outcomes[step]))
        yield from (f"names: `{step}` does not name {file}" for file in absent)


def never(expected: Mapping[str, list[str]], done: Done) -> Iterator[str]:
    """Step, or `any` -> expressions that no output contains."""
    for step, expressions in expected.items():
        for name in done.outcomes if step == EVERY_STEP else (step,):
            yield from (f"never: `{name}` says /{wanted}/" for wanted in expressions if _said(wanted, done.outcomes[name]))


def _said(expression: str, outcome: Outcome) -> bool:
    """Case is ignored, and white space of any length is one blank."""
    return re.search(expression, re.sub(r"\s+", " ", outcome.text), re.IGNORECASE) is not None


def pool(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> what fingerprint.json of its run says; `from` tells how the numbers were found, which recount.py does again."""
    for step, wanted in expected.items():
        _only(wanted, "count bands channels unit size mean std tolerance from")
        print_ = json.loads(done.left(step, "fingerprint.json").read_text(encoding="utf-8"))
        got = {**print_, "bands": len(print_["channels"]), "size": _one_size(print_)}
        yield from (f"pool: {fault} in `{step}`" for fault in _differences(wanted, got, "bands channels unit size"))
        if "count" in wanted and not _within(got["count"], wanted["count"]):
            yield f"pool: count is {got['count']}, right is {wanted['count']} in `{step}`"
        for key in (key for key in ("mean", "std") if key in wanted):
            if not _close(got[key], wanted[key], wanted["tolerance"]):
                within = _short(wanted["tolerance"])
                yield f"pool: {key} is {_short(got[key])}, right is {_short(wanted[key])} within {within} in `{step}`"


def _one_size(fingerprint: Mapping[str, Any]) -> Any:
    """Side of the images, where all are squares of one size."""
    sides = {*fingerprint["smallest"], *fingerprint["largest"]}
    return sides.pop() if len(sides) == 1 else [fingerprint["smallest"], fingerprint["largest"]]


def roles(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> role -> how many rows of splits.csv have it, or which. A row `pool+train` counts as pool and as train."""
    for step, wanted in expected.items():
        rows = done.splits(step)
        for role, right in wanted.items():
            files = sorted(row["path"] for row in rows if role in (row["role"], *row["role"].split("+")))
            if (sorted(right) if isinstance(right, list) else right) != (files if isinstance(right, list) else len(files)):
                yield f"roles: {role} is {files if isinstance(right, list) else len(files)}, right is {right} in `{step}`"


def groups(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> which labelled images stand in one group, how many groups they form, how far apart those of one may lie."""
    for step, wanted in expected.items():
        _only(wanted, "together count within")
        rows = done.splits(step)
        group = {row["path"]: row["group"] or f"alone: {row['path']}" for row in rows}
        for pair in wanted.get("together", ()):
            if len({group.get(file, f"not there: {file}") for file in pair}) > 1:
                yield f"groups: {' and '.join(pair)} stand in {[group.get(file) for file in pair]} in `{step}`"
        labelled = defaultdict[str, list[str]](list)
        for row in rows:
            if row["label"]:
                labelled[group[row["path"]]].append(row["path"])
        if "count" in wanted and not _within(len(labelled), wanted["count"]):
            yield f"groups: {len(labelled)} of the labelled images, right is {wanted['count']} in `{step}`"
        for name, files in labelled.items() if "within" in wanted else ():
            apart, pair = _furthest(files, done.case.places)
            if apart > wanted["within"]:
                yield f"groups: {' and '.join(pair)} of {name} lie {apart:,.0f} m apart, right is up to {wanted['within']:,} in `{step}`"


def _furthest(files: list[str], places: Mapping[str, tuple[float, float]]) -> tuple[float, tuple[str, ...]]:
    """Metres between the two files of a group that lie furthest apart, and which they are."""
    return max(((_metres(places[a], places[b]), (a, b)) for a, b in combinations(files, 2)), default=(0.0, ()))


def _metres(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Great-circle distance of two places (longitude, latitude in degrees)."""
    (a, b), (c, d) = np.radians(first), np.radians(second)
    return float(2 * EARTH * np.arcsin(np.sqrt(np.sin((d - b) / 2) ** 2 + np.cos(b) * np.cos(d) * np.sin((c - a) / 2) ** 2)))


def survey(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> what `labelfree.show_data` found."""
    for step, wanted in expected.items():
        _only(wanted, "images labels unlabelled channels middles")
        found = done.found(step)
        rows = found.manifest.rows
        labels = Counter(row.label for row in rows)
        got = {"images": len(rows), "unlabelled": labels.pop(None, 0), "labels": dict(labels)}
        got["channels"] = list(found.first.channels) if found.first else []
        yield from (f"survey: {fault} in `{step}`" for fault in _differences(wanted, got, "images labels unlabelled channels"))
        for label, (low, high) in wanted.get("middles", {}).items():
            for row in (row for row in rows if row.label == label):
                middle = _middle(found.domain.read, row)
                if not low <= middle <= high:
                    yield f"survey: the middle of {row.id} ({label}) is {middle:g}, right is {low} to {high} in `{step}`"


def _middle(read: Callable[[Any], Any], row: Any) -> float:
    """Median of the middle 8 x 8 pixels of an image, all channels, in physical units."""
    try:
        pixels = read(row).physical().numpy()
    except LabelfreeError as error:
        raise Unmet(str(error)) from None
    top, left = (max(0, (side - 8) // 2) for side in pixels.shape[1:])
    return float(np.median(pixels[:, top : top + 8, left : left + 8]))


def read(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> file -> what its pixels are in physical units, a channel each."""
    for step, files in expected.items():
        for name, wanted in files.items():
            _only(wanted, "shape mean min max tolerance")
            pixels = done.found(step)[name]
            if "shape" in wanted and list(pixels.shape) != wanted["shape"]:
                yield f"read: {name} is {list(pixels.shape)}, right is {wanted['shape']} in `{step}`"
            for key in [key for key in ("mean", "min", "max") if key in wanted]:
                got = getattr(pixels.astype(np.float64), key)(axis=tuple(range(1, pixels.ndim))).tolist()
                if not _close(got, wanted[key], np.abs(wanted[key]) * wanted.get("tolerance", 1e-5) + 1e-9):
                    yield f"read: {key} of {name} is {_short(got)}, right is {_short(wanted[key])} in `{step}`"


def embed(expected: Mapping[str, Mapping[str, Any]], done: Done) -> Iterator[str]:
    """Step -> pairs of files whose vectors agree, and files that are refused."""
    for step, wanted in expected.items():
        _only(wanted, "alike refused")
        vectors = done.found(step)
        refused = {name: got for name, got in vectors.items() if isinstance(got, str)}
        for name in wanted.get("refused", ()):
            if name not in refused:
                yield f"embed: {name} is not refused in `{step}`"
        for pair in wanted.get("alike", ()):
            if refused.keys() & pair:
                yield f"embed: refused in `{step}`: {[refused[name] for name in pair if name in refused]}"
                continue
            first, second = (vectors[name].astype(np.float64) for name in pair)
            cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
            if not cosine >= ALIKE:  # NaN is not alike
                yield f"embed: the cosine of {' and '.join(pair)} is {cosine:.6f}, at least {ALIKE} is right in `{step}`"


def same(expected: list[tuple[str, str]], done: Done) -> Iterator[str]:
    """Pairs of files below RUN that are equal byte for byte."""
    for pair in expected:
        files = [done.place.run / name for name in pair]
        absent = [name for name, file in zip(pair, files, strict=True) if not file.is_file()]
        if absent or files[0].read_bytes() != files[1].read_bytes():
            yield f"same: {' and '.join(absent)} not there" if absent else f"same: {' and '.join(pair)} differ"


def _only(wanted: Mapping[str, Any], known: str) -> None:
    if unknown := set(wanted) - set(known.split()):
        raise ValueError(f"nothing checks {sorted(unknown)}")


def _differences(wanted: Mapping[str, Any], got: Mapping[str, Any], keys: str) -> Iterator[str]:
    for key in keys.split():
        if key in wanted and got[key] != wanted[key]:
            yield f"{key} is {got[key]}, right is {wanted[key]}"


def _within(number: int, right: int | list[int]) -> bool:
    low, high = right if isinstance(right, list) else (right, right)
    return low <= number <= high


def _close(got: list[float], right: list[float], tolerance: Any) -> bool:
    return len(got) == len(right) and bool((np.abs(np.subtract(got, right)) <= tolerance).all())


def _short(numbers: list[float]) -> str:
    return f"[{', '.join(f'{number:.6g}' for number in numbers)}]"


CHECKS: Mapping[str, Check] = {
    "exit": exit_codes, "limit": limit, "says": says, "names": names, "never": never, "pool": pool, "roles": roles, "groups": groups,
    "survey": survey, "read": read, "embed": embed, "same": same,
}  # fmt: skip
