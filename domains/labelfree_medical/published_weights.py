"""What weights of volumes that MONAI, MedicalNet and nnssl publish expect, so that a converted file answers by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from labelfree.domain import ARBITRARY, ForeignWeights
from labelfree.errors import RecipeError

IMAGE = {"kind": "image"}
SIDE = 96  # voxels, where nobody says
PLAN = "nnssl_adaptation_plan"  # what nnssl keeps beside its tensors
RESIDUAL = "ResEncL"

Told = Mapping[str, Any]


def published(name: str, told: Told) -> ForeignWeights:
    """What the weights called `name` expect. `told`: what their file holds besides tensors. Raises RecipeError where nobody knows."""
    plain, ct = name.removesuffix("_ct"), name.endswith("_ct")
    if plain not in PUBLISHED or (ct and plain in OF_CT):
        names = [each for known in PUBLISHED for each in ((known,) if known in OF_CT else (known, f"{known}_ct"))]
        near = get_close_matches(name, names, 1)
        raise RecipeError(f"--as: no weights of volumes are called {name!r}; {f'did you mean {near[0]}?' if near else ', '.join(names)}")
    return PUBLISHED[plain](plain, told, ct or plain in OF_CT)


def _expecting(architecture: str, ct: bool, size: int | tuple[int, ...], source: str, **more: Any) -> ForeignWeights:
    """Of one channel: CT in Hounsfield units, or MR, whose numbers have no unit."""
    more.setdefault("normalisation", IMAGE)
    channel, unit = ("CT", "HU") if ct else ("MR", ARBITRARY)
    return ForeignWeights(architecture, (channel,), unit, (1.0,), (0.0,), (), (), size, source=source, **more)


def _swin(name: str, told: Told, ct: bool) -> ForeignWeights:
    """MONAI's self-supervised Swin UNETR (Tang et al. 2022, arXiv:2111.14791), on 5,050 CTs."""
    return _expecting(
        "monai_swinunetr_48",
        ct,
        96,
        "MONAI model_swinvit.pt, arXiv:2111.14791",
        objective="inpainting, rotation and contrast",
        reader={"spacing": [1.5, 1.5, 2.0]},
        normalisation={"kind": "window", "low": -1000.0, "high": 1000.0, "least": 0.0},
    )


def _unetr(name: str, told: Told, ct: bool) -> ForeignWeights:
    """The encoder of MONAI's UNETR (Hatamizadeh et al. 2022, arXiv:2103.10504), taught by 13 organs in CT."""
    return _expecting(
        "monai_vit_base_16",
        ct,
        96,
        "MONAI UNETR, arXiv:2103.10504",
        objective="segmentation",
        options={"class_token": False, "qkv_bias": False},
        reader={"spacing": [1.5, 1.5, 2.0]},
        normalisation={"kind": "window", "low": -175.0, "high": 250.0, "least": 0.0},
    )


def _medicalnet(name: str, told: Told, ct: bool) -> ForeignWeights:
    """MedicalNet's ResNets (Chen et al. 2019, arXiv:1904.00625), taught by segmentations in MR and CT, each volume by its own spread."""
    return _expecting(f"monai_{name.removeprefix('medicalnet_')}", ct, SIDE, "MedicalNet, arXiv:1904.00625", objective="segmentation")


def _nnssl(name: str, told: Told, ct: bool) -> ForeignWeights:
    """The encoder of nnU-Net's ResEnc-L as nnssl publishes it (Wald et al. 2024, arXiv:2412.17041); the file's plan tells more."""
    plan = told.get(PLAN, {})
    built = plan.get("architecture_plans", {}).get("arch_class_name", plan.get("architecture_name", RESIDUAL))
    if built != RESIDUAL:
        raise RecipeError(f"--as {name}: the file's plan says that it holds a {built}; of nnssl's networks {RESIDUAL} is read here.")
    channels = plan.get("pretrain_num_input_channels", plan.get("num_input_channels", 1))
    if channels != 1:
        raise RecipeError(f"--as {name}: the file's plan says {channels} input channels, and not which; one is read here.")
    patch = plan.get("recommended_downstream_patchsize", plan.get("input_patch_size", (160, 160, 160)))
    side = tuple(map(int, reversed(patch)))  # nnU-Net's axes are the other way round
    return _expecting(
        "nnunet_resenc_l",
        ct,
        side[0] if len(set(side)) == 1 else side,
        "nnssl, arXiv:2412.17041",
        objective="as the file's authors say",
        reader=_spacing(plan),
        axes=(2, 1, 0),
    )


def _spacing(plan: Told) -> dict[str, Any]:
    """The reader's spacing, mm along right, anterior and superior; empty where a plan tells none."""
    for configuration in plan.get("pretrain_plan", {}).get("configurations", {}).values():
        if told := configuration.get("spacing"):
            return {"spacing": [float(each) for each in reversed(told)]}
    return {}


PUBLISHED: dict[str, Callable[[str, Told, bool], ForeignWeights]] = {
    "model_swinvit": _swin,
    "unetr_btcv": _unetr,
    **{f"medicalnet_resnet{depth}": _medicalnet for depth in (10, 18, 34, 50)},
    "nnssl_resenc_l": _nnssl,
}
OF_CT = {"model_swinvit", "unetr_btcv"}  # the others read either
