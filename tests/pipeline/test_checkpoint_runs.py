"""A run that begins with an open_clip checkpoint, beside the checkpoint as it came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import labelfree
from labelfree.backbones.weight_card import card_beside
from labelfree.language import load_towers
from tests.language.test_open_clip_checkpoints import OWN, SHOWN, checkpoint
from tests.small_runs import SMALL, folder_of, run_on, table

VIT = json.dumps({**OWN["vision_cfg"]})


@pytest.mark.slow  # a whole run; test_a_pretraining_begins_with_both shows most of it
def test_both_towers_go_on_and_the_checkpoint_is_an_arm(tmp_path: Path) -> None:
    checkpoint(tmp_path / "theirs", OWN)
    file = labelfree.convert(tmp_path / "theirs", "open_clip", tmp_path / "ours", domain="satellite")
    folder = folder_of(tmp_path / "images")
    (folder / "captions.json").write_text(json.dumps({path.name: [f"stripes {path.stem}"] for path in folder.glob("*.png")}))
    begun = ["backbone.name=open_clip/vit", f"backbone.options={VIT}", f"backbone.init={file}", f"pretrain.options={{text: {file}}}"]
    arms = [
        f"evaluate.arms=[random, {{name: untouched, weights: {file}}}, imagenet+domain]",
        "evaluate.primary={arm: imagenet+domain, against: untouched, protocol: linear, budget: 2, metric: accuracy}",
    ]
    small = [*SMALL[1:4], "pretrain.objective=clip", *begun, *SMALL[5:8], "data.leak_limit=1.0", *arms, "report.share=true"]
    run = run_on(folder, tmp_path / "run", f"data.captions={folder / 'captions.json'}", small=small)
    assert {row["arm"] for row in table(run.folder / "results.csv")} == {"random", "untouched", "imagenet+domain"}
    assert run.weights is not None
    card, before, after = card_beside(run.weights), load_towers(file), load_towers(run.weights)
    assert card is not None and card.mean == pytest.approx(SHOWN["mean"]), "its own normalisation came along"
    near = torch.nn.functional.cosine_similarity(before.embed_texts(["stripes"]), after.embed_texts(["stripes"])).item()
    assert 0.9 < near < 1 - 1e-9, "two gentle steps from where it was"
    assert str(file) not in (run.folder / "report.html").read_text(encoding="utf-8")
