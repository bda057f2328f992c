"""docs/extending.md, "A strategy of your own", word for word: it is found, and chooses by the rules that hold for all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from labelfree.choosing import Candidates, find_strategy

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


def test_the_pages_strategy_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## A strategy of your own")[2].partition("\n## ")[0]
    code, project = (re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0] for language in ("python", "toml"))
    (tmp_path / "lonely.py").write_text(code, encoding="utf-8")
    (about := tmp_path / "lonely-1.dist-info").mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lonely\nVersion: 1\n")
    ((group, points),) = tomllib.loads(project)["project"]["entry-points"].items()
    (about / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()))
    monkeypatch.syspath_prepend(tmp_path)
    angles = np.array([0.0, 0.1, 0.2, 1.5, 3.0])
    features = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    none = np.array([], dtype=np.int64)
    candidates = Candidates(features, np.arange(5), np.array([True, True, True, True, False]), none, none)
    chosen = find_strategy("lonely").choose(candidates, 2)
    assert [choice.position for choice in chosen] == [3, 0] and chosen[0].reason == "its nearest neighbour is 1.21 away"
