"""The command that the page ends with is one that works when it is typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.cli import main
from labelfree.labelling.next_command import next_command
from labelfree.recipe_file import load_recipe


@pytest.mark.parametrize("overrides", [["reader.bands=[blue, green, red]"], {"reader.bands": ["blue", "green", "red"]}])
def test_what_is_printed_writes_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str] | dict[str, object]) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my images'"
    folder.mkdir()
    rng, lines = np.random.default_rng(0), ["path,label"]
    for number in range(8):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    (tmp_path / "with-labels.yaml").write_text("name: mine\n")  # a plan never overwrites one

    plan, run = next_command(folder, table, "satellite", overrides).split(" && ")
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(plan)[1:])
    assert ended.value.code == 0
    assert run == "labelfree run with-labels_2.yaml"
    recipe = load_recipe("with-labels_2.yaml")
    assert recipe.domain == "satellite" and recipe.reader["bands"] == ["blue", "green", "red"] and recipe.data.labels == table
