"""Published weights of volumes become files that answer by themselves: channel, unit, window, spacing and size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import card_beside
from labelfree.backbones.weights import network_input
from labelfree.domain import Sample
from labelfree.errors import DataError, RecipeError
from tests.backbones.foreign_files import nnssl


def written(tmp_path: Path, name: str, **options: object) -> Path:
    torch.manual_seed(0)
    torch.save({"state_dict": build(name, 1, dims=3, options=options).net.state_dict()}, tmp_path / "published.pt")
    return tmp_path / "published.pt"


def test_a_converted_file_reads_what_its_authors_fed_it(tmp_path: Path) -> None:
    """MONAI's own scaling of intensities is the oracle; values beyond the window end at its ends."""
    from monai.transforms import ScaleIntensityRange

    file = labelfree.convert(written(tmp_path, "monai_swinunetr_48"), "model_swinvit")
    loaded = labelfree.load(file)
    card = loaded.card
    assert (card.architecture, card.channels, card.unit, card.size, card.dims) == ("monai_swinunetr_48", ("CT",), "HU", 96, 3)
    assert card.domain == "medical" and card.reader == {"spacing": [1.5, 1.5, 2.0]} and "2111.14791" in card.licence
    volume = torch.linspace(-2000, 3000, 8**3).view(1, 1, 8, 8, 8)
    theirs = ScaleIntensityRange(a_min=-1000, a_max=1000, b_min=0, b_max=1, clip=True)(volume[0])
    assert_close(network_input(volume, card.normalise, 8)[0], torch.as_tensor(theirs), rtol=1e-5, atol=1e-6)
    sample = Sample(torch.zeros(1, 16, 16, 16), ("MR",), (1.0,), (0.0,), "arbitrary", source="head.nii")
    with pytest.raises(DataError, match=r"head\.nii: has 1 channel \(MR\), these weights want 1; missing CT"):
        loaded.embed(sample)


def test_medicalnet_reads_mr_or_ct(tmp_path: Path) -> None:
    published = written(tmp_path, "monai_resnet10")
    mr = card_beside(labelfree.convert(published, "medicalnet_resnet10", tmp_path / "mr"))
    ct = card_beside(labelfree.convert(published, "medicalnet_resnet10_ct", tmp_path / "ct"))
    assert mr is not None and (mr.channels, mr.unit, mr.normalisation) == (("MR",), "arbitrary", {"kind": "image"})
    assert ct is not None and (ct.channels, ct.unit) == (("CT",), "HU")


def test_nnssls_plan_tells_size_and_spacing_and_its_axes_are_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelfree.backbones import residual_encoder

    small = {"features": (4, 8, 16), "blocks": (1, 2, 1)}
    monkeypatch.setattr(residual_encoder.residual_encoder, "__defaults__", (*small.values(), "instance"))
    told = {"recommended_downstream_patchsize": [64, 160, 128], "pretrain_plan": {"configurations": {"3d": {"spacing": [2.0, 1.0, 0.5]}}}}
    file, state = nnssl(**small, **told)
    torch.save(file, tmp_path / "published.pth")
    loaded = labelfree.load(labelfree.convert(tmp_path / "published.pth", "nnssl_resenc_l"))
    assert loaded.card.size == (128, 160, 64) and loaded.card.reader == {"spacing": [0.5, 1.0, 2.0]}
    kernel = loaded.backbone.net.stem.convs[0].conv.weight
    assert_close(kernel, state["stem.convs.0.conv.weight"].permute(0, 1, 4, 3, 2))
    for plan, said in (
        ({"architecture_plans": {"arch_class_name": "PrimusM"}}, "holds a PrimusM; of nnssl's networks ResEncL is read here"),
        ({"pretrain_num_input_channels": 4}, "4 input channels, and not which; one is read here"),
    ):
        torch.save(nnssl(**small, **plan)[0], tmp_path / "other.pth")
        with pytest.raises(RecipeError, match=rf"--as nnssl_resenc_l: the file's plan says (that it )?{said}"):
            labelfree.convert(tmp_path / "other.pth", "nnssl_resenc_l")


def test_weights_that_nobody_knows_or_that_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    published = written(tmp_path, "monai_resnet10")
    with pytest.raises(RecipeError, match=r"--as: no weights of volumes are called 'medicalnet_resnet11'; did you mean medicalnet_resnet1"):
        labelfree.convert(published, "medicalnet_resnet11", domain="medical")
    with pytest.raises(RecipeError, match=r"called 'model_swinvit_ct'; did you mean model_swinvit\?"):
        labelfree.convert(published, "model_swinvit_ct", domain="medical")
    with pytest.raises(
        DataError, match=r"published\.pt: does not fit the network: \d+ missing \(e\.g\. .*\), \d+ left over \(e\.g\. conv1"
    ):
        labelfree.convert(published, "model_swinvit")
