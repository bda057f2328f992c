"""Images at an address: read by windows over HTTP, as rasterio reads them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from labelfree_satellite import Satellite

import labelfree
from labelfree.data.manifest import load_manifest
from labelfree.data.pool import build_pool
from labelfree.data.windows import in_windows
from labelfree.domain import Row, Window
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.satellite.files import write_tif


class Ranges(SimpleHTTPRequestHandler):
    """Serves parts of files, as object stores do, and counts the bytes that it sent."""

    sent: list[int]

    def __init__(self, *args: object, sent: list[int], **keywords: object) -> None:
        self.sent = sent
        super().__init__(*args, **keywords)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        first, last = (int(asked[1]), min(int(asked[2]), len(content) - 1)) if asked else (0, len(content) - 1)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[first : last + 1])
        self.sent.append(last - first + 1)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, list[int]]]:
    (tmp_path / "served").mkdir()
    sent: list[int] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(tmp_path / "served"), sent=sent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", tmp_path / "served", sent
    server.shutdown()


@pytest.fixture
def scene(served: tuple[str, Path, list[int]]) -> np.ndarray:
    data = np.random.default_rng(0).integers(0, 10_000, (4, 2304, 2304)).astype(np.uint16)
    write_tif(served[1] / "scene.tif", data, ("blue", "green", "red", "nir"), tiled=True, blockxsize=256, blockysize=256)
    return data


def test_a_window_of_a_scene_elsewhere_is_fetched_alone(served: tuple[str, Path, list[int]], scene: np.ndarray) -> None:
    address, _, sent = served
    row = Row(f"{address}/scene.tif", Path(f"{address}/scene.tif"), remote=f"{address}/scene.tif")
    assert Satellite().extent(row) == (2304, 2304)
    part = Row(row.id, row.path, remote=row.remote, window=Window((256, 512), (256, 256)))
    sample = Satellite().read(part)
    np.testing.assert_array_equal(sample.data.numpy(), scene[:, 256:512, 512:768])
    assert sample.channels == ("blue", "green", "red", "nir") and sample.crs == "EPSG:32632"
    assert sum(sent) < 0.3 * scene.nbytes


def test_a_table_may_name_addresses(served: tuple[str, Path, list[int]], scene: np.ndarray, tmp_path: Path) -> None:
    address, folder, _ = served
    for name in "ab":
        write_tif(folder / f"{name}.tif", scene[:, :64, :64] // (1 + (name == "b")), ("blue", "green", "red", "nir"))
    table = tmp_path / "labels.csv"
    table.write_text(f"path,label\n{address}/a.tif,wood\n{address}/b.tif,lake\n{address}/scene.tif,\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    domain = Satellite()
    manifest = load_manifest(Data(root=tmp_path / "images", labels=table), domain)
    assert [row.remote for row in manifest.rows] == [f"{address}/{name}.tif" for name in ("a", "b", "scene")]
    assert manifest.notes == (f"labels.csv: 3 of 3 paths lie outside the data root {tmp_path / 'images'}.",)
    rows = in_windows(manifest.rows, domain.extent, 64)
    assert len(rows) == 2 + 36 * 36
    pool = build_pool(rows[:5], domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=None)
    np.testing.assert_array_equal(pool[1].numpy(), scene[:, :64, :64] // 2)
    np.testing.assert_array_equal(pool[2].numpy(), scene[:, :64, :64])


def test_what_is_not_there_is_named_with_its_address(served: tuple[str, Path, list[int]]) -> None:
    address = f"{served[0]}/nothing.tif"
    with pytest.raises(DataError, match=rf"^{re.escape(address)}: cannot be read \(.*404.*\); check address, network and credentials"):
        Satellite().read(Row(address, Path(address), remote=address))


def test_an_address_as_data_root_is_answered() -> None:
    with pytest.raises(DataError, match=r"data.root: s3:/bucket/scenes is an address; list its images in a table"):
        load_manifest(Data(root=Path("s3://bucket/scenes")), Satellite())


def test_a_scene_that_does_not_answer_ends_with_a_sentence(served: tuple[str, Path, list[int]]) -> None:
    address = f"{served[0]}/nothing.tif"
    with pytest.raises(DataError, match="cannot be read"):  # read whole next time, it would be another data set
        Satellite().extent(Row(address, Path(address), remote=address))


def test_one_dead_address_is_skipped_and_counted_when_asked(served: tuple[str, Path, list[int]], scene: np.ndarray, tmp_path: Path) -> None:
    """Takes a few seconds: a whole pretraining."""
    address, folder, _ = served
    for number in range(8):
        write_tif(folder / f"{number}.tif", scene[:, :64, 64 * number : 64 * number + 64].copy(), ("blue", "green", "red", "nir"))
    lines = ["path", *(f"{address}/{number}.tif" for number in range(8)), f"{address}/dead.tif"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    (tmp_path / "images").mkdir()
    small = [
        f"data.root={tmp_path / 'images'}", f"data.labels={tmp_path / 'labels.csv'}", "backbone.name=test_resnet", "backbone.init=random",
        "pretrain.steps=1", "pretrain.minutes=null", "pretrain.batch_size=4", "pool.tile=null", "evaluate.arms=[random, domain]",
        "evaluate.primary={arm: domain, against: random}",
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"dead\.tif: cannot be read"):
        labelfree.run("satellite_simclr", small, tmp_path / "strict", say=Silent())
    run = labelfree.run("satellite_simclr", [*small, "data.on_error=skip", "data.max_skipped=0.2"], tmp_path / "run", say=Silent())
    assert "dead.tif" in (run.folder / "private" / "skipped.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["https://x.org/a.tif", "s3://bucket/a.tif", "gs://b/a.tif", "/vsicurl/https://x.org/a.tif", "/vsizip/a.zip/b.tif"]
)
def test_addresses_are_told_from_paths(text: str) -> None:
    assert Satellite().remote(text)
    assert not any(Satellite().remote(path) for path in ("a/b.tif", "C:\\images\\a.tif", "C:/images/a.tif", "/data/a.tif", "https.tif"))
