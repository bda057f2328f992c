"""What weights that torchgeo publishes expect: its own table and transforms say, so that a converted file answers by itself."""

from __future__ import annotations

import difflib
from typing import Any

from labelfree.domain import ForeignWeights
from labelfree.errors import RecipeError
from labelfree_satellite.sensors import Band, Sensor, find_sensor

DATASETS = {"SSL4EO-S12": ("sentinel-2-l1c", "sentinel-1-grd")}  # those whose unit is known, and the sensors of their images
SIDE, PROBES = 256, (0.0, 1000.0, 3000.0)  # of the constant images that are put through the transforms


def published(name: str) -> ForeignWeights:
    """What the weights called `name`, such as ResNet50_Weights.SENTINEL2_ALL_MOCO, expect. Raises RecipeError where that is not known."""
    try:
        from torchgeo.models import get_weight, list_models
    except ImportError as error:
        raise RecipeError(f"--as: torchgeo knows what its weights expect; pip install 'labelfree[satellite]' ({error}).") from error
    try:
        weights = get_weight(name)
    except (ValueError, KeyError) as error:
        raise RecipeError(f"--as: torchgeo has no weights {name!r}{_near(name, list_models())}.") from error
    meta = weights.meta
    if meta["dataset"] not in DATASETS:
        raise RecipeError(
            f"--as: {name} was trained on {meta['dataset']}, whose numbers are in no unit that is known here; known are weights of "
            f"{', '.join(DATASETS)}. Write the .json beside the file by hand (docs/domains/satellite.md)."
        )
    sensor, bands = _bands(name, meta)
    mean, std, size = normalisation(weights.transforms, len(bands))
    scales = [band.scale for band in bands]
    return ForeignWeights(
        architecture=meta["model"],
        channels=tuple(band.name for band in bands),
        unit=sensor.unit,
        scale=tuple(scales),
        offset=(0.0,) * len(bands),
        mean=tuple(m * scale for m, scale in zip(mean, scales, strict=True)),
        std=tuple(s * scale for s, scale in zip(std, scales, strict=True)),
        size=size,
        objective=meta.get("ssl_method", ""),
        source=f"torchgeo {name}, {meta.get('publication', meta['dataset'])}",
        options={"img_size": meta["img_size"]} if "img_size" in meta else {},
        reader={"bands": None, "sensor": sensor.name, "unit": None},
    )


def _bands(name: str, meta: dict[str, Any]) -> tuple[Sensor, list[Band]]:
    """The sensor that has the bands which torchgeo names, and those bands in its order."""
    for sensor in map(find_sensor, DATASETS[meta["dataset"]]):
        bands = [band for label in meta.get("bands", ()) if (band := sensor.band(label))]
        if len(bands) == meta["in_chans"]:
            return sensor, bands
    raise RecipeError(f"--as: this torchgeo does not say which bands {name} wants; install torchgeo 0.7 or later.")


def normalisation(transforms: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Mean and deviation of each channel, and the side of the result, read off what the transforms make of constant images.

    Raises RecipeError where they are not (x - mean) / std.
    """
    import torch

    made = []
    for value in PROBES:
        out = _applied(transforms, torch.full((1, channels, SIDE, SIDE), value)).reshape(channels, -1).double()
        if (out - out[:, :1]).abs().max() > 1e-4:
            raise RecipeError("--as: these weights want more than a normalisation of each channel, which a weight card cannot say.")
        made.append(out[:, 0])
    side = int(_applied(transforms, torch.zeros(1, channels, SIDE, SIDE)).shape[-1])
    slope = (made[1] - made[0]) / (PROBES[1] - PROBES[0])
    if (made[0] + slope * PROBES[2] - made[2]).abs().max() > 1e-3 * (1 + made[2].abs().max()):
        raise RecipeError("--as: these weights want numbers clamped or bent, which a weight card cannot say.")
    return tuple((-made[0] / slope).tolist()), tuple((1 / slope).tolist()), side


def _applied(transforms: Any, image: Any) -> Any:
    """torchgeo's transforms take a sample, newer ones also a tensor."""
    try:
        return transforms({"image": image.clone()})["image"]  # some change their input
    except (TypeError, KeyError, AttributeError):
        return transforms(image.clone())


def _near(name: str, models: list[str]) -> str:
    from torchgeo.models import get_model_weights

    names = []
    for model in models:
        try:
            names += [str(weights) for weights in get_model_weights(model)]
        except (ValueError, TypeError, KeyError):  # a model without published weights
            continue
    near = difflib.get_close_matches(name, names, 1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
