"""PROTOCOL 3 and 4: copies are found however they are stored, turned or mirrored; look-alikes by chance are told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from labelfree.data.leaks import Witnesses, exact_leaks, guard, near_groups, witnesses
from labelfree.data.manifest import load_manifest
from labelfree.data.near_duplicates import LIKE, near_pairs, poses, prints
from labelfree.data.pool import build_pool
from labelfree.data.pool_index import thumbnail
from labelfree.data.same_values import trace
from labelfree.domain import Row, Sample
from labelfree.errors import LeakError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write

DRAW = np.random.default_rng(0)


def witness(images: list[np.ndarray], prefix: str, groups: list[str] | None = None) -> Witnesses:
    """(H, W, C) images as the guard sees them."""
    rows = [Row(f"{prefix}{i}", Path(f"{prefix}{i}"), group=groups[i] if groups else None) for i in range(len(images))]
    first = [np.moveaxis(image, -1, 0) for image in images]
    return Witnesses(rows, np.stack([trace(sample(image)) for image in first]), np.stack([thumbnail(image) for image in first]))


def sample(image: np.ndarray) -> Sample:
    """(C, H, W) numbers as a sample."""
    return Sample(torch.from_numpy(image.copy()), ("a",) * len(image), (1.0,) * len(image), (0.0,) * len(image), "stored")


def images(n: int, seed: int = 0) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [texture(draw).astype(np.float32) for _ in range(n)]


def by_hand(a: np.ndarray, b: np.ndarray) -> float:
    """PROTOCOL 4 word by word, for one pair of thumbnails."""
    high = [image - gaussian_filter(image, 2) for image in (a.astype(float), b.astype(float))]
    turned = [np.rot90(flipped, k) for flipped in (high[0], high[0][:, ::-1]) for k in range(4)]
    return max(float(np.corrcoef(pose.ravel(), high[1].ravel())[0, 1]) for pose in turned)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 60), st.integers(0, 7))
def test_pairs_equal_the_protocols_words(seed: int, noise: float, pose: int) -> None:
    draw = np.random.default_rng(seed)
    a = np.stack([thumbnail(texture(draw).transpose(2, 0, 1)) for _ in range(6)])
    b = np.concatenate([poses(a)[pose][:3] + draw.normal(size=(3, 32, 32)) * noise, a[4:5] * 0.3 + 7])
    found = {(i, j): r for i, j, r in near_pairs(prints(a), prints(b))}
    expected = {(i, j): by_hand(a[i], b[j]) for i in range(len(a)) for j in range(len(b))}
    for pair, r in expected.items():
        if abs(r - LIKE) > 1e-3:
            assert (pair in found) == (r >= LIKE)
        if pair in found:
            assert found[pair] == pytest.approx(r, abs=1e-4)
    assert (4, 3) in found  # another brightness and contrast


@given(st.integers(5, 90), st.integers(5, 90), st.integers(0, 7))
def test_thumbnails_commute_with_poses(height: int, width: int, pose: int) -> None:
    image = np.random.default_rng(height * width).normal(size=(1, height, width)).astype(np.float32)
    turned = poses(image)[pose]
    np.testing.assert_allclose(thumbnail(turned), poses(thumbnail(image)[None])[pose][0], atol=1e-5)


def test_thumbnails_average_over_areas() -> None:
    image = np.arange(64 * 96 * 2, dtype=np.uint16).reshape(2, 64, 96)
    expected = image.astype(float).mean(0).reshape(32, 2, 32, 3).mean((1, 3))
    np.testing.assert_allclose(thumbnail(image), expected, rtol=1e-5)
    assert thumbnail(np.zeros((3, 5, 7, 9), dtype=np.int16)).shape == (32, 32)  # a volume


def test_flat_and_smooth_images_are_not_judged() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32)
    smooth = (x + y)[..., None].repeat(3, -1)
    constant = np.full((64, 64, 3), 0.1, dtype=np.float32)
    seen = prints(witness([smooth, constant, images(1)[0]], "x").thumbs)
    assert seen.judged.tolist() == [False, False, True]
    found = guard(witness(images(30), "pool"), witness([smooth, *images(30, 1)], "test"), Data(), has_test=True)
    assert found.not_judged == 1 and found.judged == 30 and "1 have too little structure" in found.sentence


def test_no_leak_is_said_so() -> None:
    found = guard(witness(images(50), "pool"), witness(images(20, 1), "test"), Data(), has_test=True)
    assert found.exact == [] and found.near == [] and not found.transductive and found.sentence.startswith("No exact copy among 20")


def test_an_exact_copy_of_a_test_image_stops_the_run() -> None:
    pool = images(20)
    with pytest.raises(LeakError, match=r"pool7 is in the pool and test1 is scored \(same content\).*data\.transductive=true"):
        guard(witness(pool, "pool"), witness([images(1, 1)[0], pool[7]], "test"), Data(), has_test=True)
    found = guard(witness(pool, "pool"), witness([images(1, 1)[0], pool[7]], "test"), Data(transductive=True), has_test=True)
    assert found.transductive and found.exact == [("pool7", "test1")] and "Transductive" in found.sentence and found.dropped == []


def test_without_a_test_set_the_pools_copy_is_dropped() -> None:
    pool = images(20)
    found = guard(witness([*pool, pool[7]], "pool"), witness([pool[7]], "mine"), Data(), has_test=False)
    assert found.dropped == ["pool20", "pool7"] and not found.transductive and found.near == []


@pytest.mark.parametrize("count", [2, 3])
def test_near_duplicates_stop_the_run_above_the_limit(count: int) -> None:
    pool = images(60)
    near = [np.rot90(image, 1)[:, ::-1] + DRAW.normal(size=image.shape).astype(np.float32) for image in pool[:count]]
    args = witness(pool, "pool"), witness([*images(40, 1), *near], "test")
    if count == 2:
        found = guard(*args, Data(), has_test=True)
        assert found.limit == 2 and found.scored_near == ["test40", "test41"]
        assert [pair[:2] for pair in found.near] == [("pool0", "test40"), ("pool1", "test41")]
        return
    with pytest.raises(LeakError, match=r"3 of 43 scored images have a near-duplicate in the pool \(2 are allowed\), such as test4"):
        guard(*args, Data(), has_test=True)
    assert not guard(*args, Data(leak_limit=0.1), has_test=True).transductive
    assert guard(*args, Data(transductive=True), has_test=True).transductive
    with pytest.raises(LeakError):
        guard(*args, Data(), has_test=False)


def test_the_limit_is_one_percent_and_at_least_two_rows() -> None:
    for n, limit in ((10, 2), (200, 2), (201, 3), (1000, 10)):
        assert (
            guard(witness(images(2), "p"), witness(images(2, 1) * (n // 2) + images(n % 2, 2), "t"), Data(), has_test=True).limit == limit
        )


def test_good_parts_in_one_fixture_cannot_be_told_apart() -> None:
    part = images(1)[0]
    parts = [part + DRAW.normal(size=part.shape).astype(np.float32) * 5 for _ in range(60)]
    found = guard(witness(parts[:40], "pool"), witness(parts[40:], "test"), Data(), has_test=True)
    assert found.cannot_tell and found.chance > 0.9 and "Cannot tell near-duplicates here" in found.sentence and "`group`" in found.sentence
    assert near_groups(witness(parts, "x")) == {}
    assert set(near_groups(witness([*parts, parts[3]], "x"))) == {"x3", "x60"}  # an exact copy is one all the same


def test_relatives_of_one_group_are_no_reason_for_doubt() -> None:
    """Six photographs of each part: within a group everything looks alike, across groups nothing does."""
    parts = [part + DRAW.normal(size=part.shape).astype(np.float32) for part in images(20) for _ in range(6)]
    groups = [f"part {i // 6}" for i in range(120)]
    with pytest.raises(LeakError, match="near-duplicate"):
        guard(witness(parts[:117], "pool", groups[:117]), witness(parts[117:], "test", groups[117:]), Data(), has_test=True)


def test_near_duplicate_labelled_rows_form_one_group() -> None:
    some = images(12)
    rows = [*some, np.rot90(some[0], 2), some[1], some[2] + 3]
    groups = near_groups(witness(rows, "x"))
    assert groups == {
        "x0": "alike row x0",
        "x12": "alike row x0",
        "x1": "alike row x1",
        "x13": "alike row x1",
        "x2": "alike row x14",
        "x14": "alike row x14",
    }
    named = ["A", "A", "B", "C", *"DEFGHIJK", "L", "M", "N"]  # A: 0, 1 joins L (12) and M (13); B: 2 joins N (14)
    joined = near_groups(witness(rows, "x", named))
    assert {i: joined[f"x{i}"] for i in (0, 1, 12, 13)} == dict.fromkeys((0, 1, 12, 13), "alike A") and joined["x2"] == joined["x14"]
    assert "x3" not in joined


def test_two_flat_copies_form_one_group() -> None:
    flat = np.zeros((8, 8, 1))
    assert near_groups(witness([flat, flat, flat + 1], "x")) == {"x0": "alike row x0", "x1": "alike row x0"}


def test_the_file_format_does_not_matter(tmp_path: Path) -> None:
    pixels = texture(DRAW, 32)
    rows = [Row(name, write(tmp_path / name, pixels)) for name in ("a.png", "b.png")]
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "b.png", compress_level=0)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    domain = PillowDomain()
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pools", say=Silent())
    assert exact_leaks(witnesses(pool, rows[:1]), witnesses(pool, rows[1:])) == [("a.png", "b.png")]
    assert len(witnesses(pool, [Row("elsewhere", Path("x"))])) == 0


def test_the_report_is_plain_json() -> None:
    pool = images(5)
    found = guard(witness(pool, "p"), witness([np.rot90(pool[1])], "t"), Data(), has_test=True)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["near"] == [["p1", "t0", 1.0]] and told["scored"] == 1 and told["sentence"]


def test_an_empty_side_leaks_nothing() -> None:
    nothing = Witnesses([], np.zeros((0, 6)), np.zeros((0, 32, 32), dtype=np.float32))
    assert guard(nothing, witness(images(2), "t"), Data(), has_test=True).near == []
    assert near_groups(nothing) == {}


@pytest.mark.slow
def test_eurosat_rgb_holds_no_copies_between_pool_and_dev(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    domain = PillowDomain()
    manifest = load_manifest(Data(root=real_data("eurosat_rgb"), card="eurosat-rgb"), domain)
    pool_rows, dev = manifest.subset("pretrain", "train")[::3], manifest.subset("dev")
    pool = build_pool([*pool_rows, *dev], domain.read, domain.settings(), tmp_path, say=Silent(), tile="auto")
    found = guard(witnesses(pool, pool_rows), witnesses(pool, dev), Data(), has_test=True)
    assert (found.exact, found.near, found.scored) == ([], [], 589) and found.judged > 500
    planted = guard(witnesses(pool, [*pool_rows, dev[5]]), witnesses(pool, dev), Data(transductive=True), has_test=True)
    assert planted.exact == [(dev[5].id, dev[5].id)]


@pytest.mark.parametrize("labelled", [False, True])
def test_what_repeats_an_audit_image_leaves_the_pool_unless_it_has_a_label(labelled: bool) -> None:
    seen, others = images(12), images(30, seed=1)
    turned = [np.rot90(image).copy() for image in seen[1:6]]
    pool, audit = witness([seen[0], *turned, *others], "p"), witness(seen, "s")
    audit = Witnesses([replace(row, split="test", chosen="audit") for row in audit.rows], audit.traces, audit.thumbs)
    loose = {row.id for row in pool.rows} - ({"p0"} if labelled else set())
    if labelled:
        with pytest.raises(LeakError, match="^p0 is in the pool and s0 is scored"):
            guard(pool, audit, Data(), has_test=True, loose=loose)
        return
    report = guard(pool, audit, Data(), has_test=True, loose=loose)
    assert report.dropped == [f"p{i}" for i in range(6)] and report.dropped_near == 5 and not report.scored_near
    assert "1 pool images were dropped: their content is scored. 5 pool images were dropped: near-duplicates" in report.sentence
