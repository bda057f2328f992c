"""Visual search: time and memory of an index as it grows, beside a plain numpy scan; and whether what is found is of the same class.

    OMP_NUM_THREADS=2 python benchmarks/search.py
    python benchmarks/search.py --weights RUN --data $LABELFREE_DATA/eurosat_rgb

A cell of the first kind is generated vectors of one width and number, in a process of its own: seconds to write them as an index, to open
it into memory, and the median of nine queries of one vector each; `own_mib` is the most that the process held of its own while it opened
and asked. The way `numpy` keeps the vectors as float32 in one array, multiplies and sorts. Memory is read from /proc: measure on Linux. A
million vectors of 1,280 numbers take 2.6 GB of the folder for temporary files, or 5.1 GB there and of memory by numpy.

A cell of the second kind is one network at one input size: every image of the split `dev` is looked for among the others of it, and
precision@10 is the share of the ten most alike that are of its class, with a 95 % interval over the images that were looked for. The weight
file stands beside ImageNet's weights of its own architecture. Cells that the tables in benchmarks/results hold for the same machine, commit
and versions are not measured again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from cells import RESULTS, append, found, place
from choosing import held, watched

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weights import LoadedBackbone, backbone_file, save
from labelfree.choosing.large import LARGE
from labelfree.domain import Row
from labelfree.progress import Silent
from labelfree.retrieval.index_folder import IndexCard, IndexFolder
from labelfree.training.files import digest_of

TIMES, PRECISION = RESULTS / "search.csv", RESULTS / "search_precision.csv"
DEPENDS = ("labelfree/retrieval", "labelfree/choosing/large.py", "benchmarks/search.py")
A_PART, QUERIES, NEAREST, RESAMPLINGS = 4096, 9, 10, 2000
SECONDS = {"labelfree": 120, "numpy": 60}  # for a million vectors of 512 numbers, on two busy cores
START = 4  # seconds to start and to import
SPLIT = "dev"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    asked.add_argument("--widths", type=int, nargs="+", default=[512, 1280])
    asked.add_argument("--ways", choices=SECONDS, nargs="+", default=list(SECONDS))
    asked.add_argument("--weights", type=Path, help="a run or a weight file whose precision@10 is measured, and nothing else")
    asked.add_argument("--data", type=Path, help="folder with splits.csv (path, label, split) for --weights")
    asked.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="input sizes for --weights")
    asked.add_argument("--cell", action="store_true", help="measure the first cell here and now, print JSON and keep nothing")
    given = asked.parse_args()
    if given.cell:
        print(json.dumps(WAYS[given.ways[0]](given.rows[0], given.widths[0])))
    elif given.weights:
        precisions(given.weights, given.data, given.sizes)
    else:
        times(given.rows, given.widths, given.ways)


def times(rows: list[int], widths: list[int], ways: list[str]) -> None:
    """Measure what is missing, and print all."""
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    here = place("faiss-cpu", "numpy", "pyarrow", depends=DEPENDS) | {"threads": threads}
    cells = [{"rows": str(n), "width": str(width), "way": way, **here} for n in rows for width in widths for way in ways]
    missing = [cell for cell in cells if not found(TIMES, cell)]
    expected = sum(START + SECONDS[cell["way"]] * int(cell["rows"]) / 1e6 * int(cell["width"]) / 512 for cell in missing)
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {max(1, expected / 60):.0f} minutes on two cores.", flush=True)
    for cell in missing:
        command = [sys.executable, __file__, "--cell", "--rows", cell["rows"], "--widths", cell["width"], "--ways", cell["way"]]
        fresh = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
        append(TIMES, cell | json.loads(fresh.stdout.splitlines()[-1]))
        print(f"{cell['way']}, {int(cell['rows']):,} vectors of {cell['width']}: done", flush=True)
    print(
        "\n| vectors | of | way | build, s | open, s | one query, s | on disk, MiB | own memory, MiB |\n|---|---|---|---|---|---|---|---|"
    )
    for cell in cells:
        if row := found(TIMES, cell):
            told = (row[name] for name in ("build_s", "open_s", "query_s", "disk_mib", "own_mib"))
            print(f"| {int(row['rows']):,} | {row['width']} | {row['way']} | {' | '.join(told)} |")


def vectors(rows: int, width: int) -> Iterator[np.ndarray]:
    """Of length one, a part at a time."""
    generator = np.random.default_rng(0)
    for start in range(0, rows, A_PART):
        part = generator.standard_normal((min(A_PART, rows - start), width), dtype=np.float32)
        yield part / np.linalg.norm(part, axis=1, keepdims=True)


def measure_index(rows: int, width: int) -> dict[str, str]:
    """An index as `labelfree index` leaves it, opened and asked as `labelfree search` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        number = "float16" if rows >= LARGE else "float32"
        made, build = IndexFolder.begin(path, IndexCard("", "", "generated", width, number, "")), 0.0
        for part in vectors(rows, width):
            images = [Row(f"{at:07d}.tif", Path(f"/images/{at:07d}.tif")) for at in range(len(made), len(made) + len(part))]
            start = time.perf_counter()
            made.append(images, [None] * len(images), part, [])
            build += time.perf_counter() - start
        disk = sum(file.stat().st_size for file in path.rglob("*.parquet"))
        with Watch() as watch:
            start = time.perf_counter()
            index = labelfree.load_index(path)
            index.scan  # noqa: B018  # the vectors come into memory
            opened = time.perf_counter() - start
            seconds = queries(width, lambda query: index.hits(query, 20))
        return figures(build, opened, seconds, disk, watch.most)


def measure_numpy(rows: int, width: int) -> dict[str, str]:
    """One array of float32, and a product with it."""
    with tempfile.TemporaryDirectory() as folder:
        file, build = Path(folder) / "vectors", 0.0
        with file.open("wb") as stream:
            for part in vectors(rows, width):
                start = time.perf_counter()
                part.tofile(stream)
                build += time.perf_counter() - start
        with Watch() as watch:
            start = time.perf_counter()
            array = np.fromfile(file, np.float32).reshape(rows, width)
            opened = time.perf_counter() - start

            def nearest(query: np.ndarray) -> np.ndarray:
                scores = array @ query[0]
                best = np.argpartition(-scores, 20)[:20]
                return best[np.argsort(-scores[best])]

            seconds = queries(width, nearest)
        return figures(build, opened, seconds, file.stat().st_size, watch.most)


WAYS = {"labelfree": measure_index, "numpy": measure_numpy}


def queries(width: int, ask: Callable[[np.ndarray], object]) -> float:
    """The median of some queries, after one that warms up."""
    asked = np.concatenate(list(vectors(QUERIES + 1, width)))
    took = []
    for query in asked:
        start = time.perf_counter()
        ask(query[None])
        took.append(time.perf_counter() - start)
    return float(np.median(took[1:]))


def figures(build: float, opened: float, query: float, disk: int, most: int) -> dict[str, str]:
    times = {"build_s": f"{build:.1f}", "open_s": f"{opened:.1f}", "query_s": f"{query:.4f}"}
    return {**times, "disk_mib": f"{disk / 2**20:.0f}", "own_mib": f"{most / 1024:.0f}"}


class Watch:
    """`most`: KiB that this process held of its own at most, while it was watched, beside what it held before."""

    def __enter__(self) -> Watch:
        self.before, self.peak, self.over = held("RssAnon"), [0], threading.Event()
        self.thread = threading.Thread(target=watched, args=(self.peak, self.over))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()
        self.most = self.peak[0] - self.before


def precisions(weights: Path, data: Path, sizes: list[int]) -> None:
    """precision@10 of a network and of ImageNet's at these input sizes."""
    network = labelfree.load(weights)
    known = {"data": data.name, "split": SPLIT, **place("torch", "timm")}
    named = {digest_of(backbone_file(weights)): network, f"imagenet {network.card.architecture}": imagenet(network)}
    cells = [({"weights": name, "size": str(size), **known}, each) for name, each in named.items() for size in sizes]
    missing = [(cell, each) for cell, each in cells if not found(PRECISION, cell)]
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {max(1, len(missing))} minutes.", flush=True)
    for cell, each in missing:
        append(PRECISION, cell | precision(each, data, int(cell["size"])))
    print("\n| weights | input size | images | precision@10, % | 95 % interval |\n|---|---|---|---|---|")
    for cell, _ in cells:
        if row := found(PRECISION, cell):
            print(f"| {row['weights']} | {row['size']} | {row['images']} | {row['precision']} | {row['low']} to {row['high']} |")


def imagenet(network: LoadedBackbone) -> LoadedBackbone:
    """ImageNet's weights of the same architecture, which look at the same images in their own normalisation."""
    card = network.card
    backbone = build(card.architecture, len(card.channels), init="imagenet", options=card.options)
    if card.unit != "display" or len(card.channels) != 3:
        sys.exit(
            f"benchmarks/search.py: ImageNet's weights look at pictures in red, green and blue, these want {', '.join(card.channels)}."
        )
    return LoadedBackbone(backbone, replace(card, mean=backbone.mean, std=backbone.std, normalisation={}))


def precision(network: LoadedBackbone, data: Path, size: int) -> dict[str, str]:
    """Of the split's images among themselves, through an index on disk."""
    with tempfile.TemporaryDirectory() as folder:
        images, weights = Path(folder) / "images", Path(folder) / "weights.safetensors"
        labels = gathered(data, images)
        save(network.backbone.cpu(), replace(network.card, size=size), weights)
        index = labelfree.index(images, weights, Path(folder) / "index", say=Silent())
        whole = np.concatenate(list(index.folder.blocks()))
        names = [entry.row.id for entry in index.folder.entries(range(len(index)))]
        _, nearest = index.nearest(whole, NEAREST + 1)
    classes = np.array([labels[name] for name in names])
    others = [row[row != at][:NEAREST] for at, row in enumerate(nearest)]  # an image is not its own answer
    shares = np.array([(classes[row] == classes[at]).mean() for at, row in enumerate(others)])
    drawn = np.random.default_rng(0).integers(0, len(shares), (RESAMPLINGS, len(shares)))
    low, high = np.quantile(shares[drawn].mean(axis=1), (0.025, 0.975))
    told = zip(("precision", "low", "high"), (shares.mean(), low, high), strict=True)
    return {"images": str(len(shares)), **{name: f"{100 * value:.1f}" for name, value in told}}


def gathered(data: Path, folder: Path) -> dict[str, str]:
    """Links to the images of the split in a folder of their own; their classes by name."""
    with (data / "splits.csv").open(newline="", encoding="utf-8") as stream:
        labels = {row["path"]: row["label"] for row in csv.DictReader(stream) if row["split"] == SPLIT}
    for name in labels:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to((data / name).resolve())
    return labels


if __name__ == "__main__":
    main()
