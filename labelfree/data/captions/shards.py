"""webdataset's tars: images and texts of one key beside each other, put into a folder once and read as images with reports beside them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from labelfree.data.our_folders import cache_folder
from labelfree.errors import DataError, RecipeError

TEXTS = ("txt", "text", "caption")  # fields that are a caption, and the keys of a record in `json` that hold one
RECORD = "json"
SEVERAL = ".captions.json"  # in the folder: the captions of each x.txt whose record holds more than one


def shards_in(source: Path) -> list[Path]:
    """The tars that a file is, or that lie in a folder."""
    if source.is_dir():
        tars = (path for path in source.iterdir() if path.suffix.lower() == ".tar" and path.is_file())
        return sorted(path for path in tars if not path.name.startswith("."))
    return [source] if source.suffix.lower() == ".tar" and source.is_file() else []


def unpacked(source: Path) -> Path:
    """The folder in the cache with all that the tars hold: x.jpg and x.txt of each key. Made at first use, whole or not at all.

    Where a record holds several captions, x.txt has one a line, and SEVERAL has them apart.

    A key that an earlier tar has too is called after its own tar. Raises `DataError` for a key that leaves the folder or comes twice in
    one tar, and for a tar that is cut off, `RecipeError` where webdataset is not installed.
    """
    tars = shards_in(source)
    told = [(tar.name, tar.stat().st_size, tar.stat().st_mtime_ns) for tar in tars]
    name = hashlib.blake2b(repr((str(source.resolve()), told, SEVERAL)).encode(), digest_size=8).hexdigest()
    folder = cache_folder() / "shards" / name
    if not folder.is_dir():
        part = folder.with_name(f".{name}-{os.getpid()}.part")  # several processes may begin at once
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            names, several = dict[str, Path](), dict[str, list[str]]()
            for tar in tars:
                for sample in _samples(tar):
                    _write(sample, part, tar, names, several)
            (part / SEVERAL).write_text(json.dumps(several), encoding="utf-8")
            if not names:
                raise DataError(f"{tars[0]}: no file in it has an ending; a sample is files of one name, such as 000.jpg and 000.txt.")
            with contextlib.suppress(FileExistsError, OSError):
                part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _samples(tar: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import webdataset
    except ImportError as error:
        raise RecipeError("data.captions: tars are read by webdataset, which is not installed: pip install webdataset.") from error
    _require_whole(tar)
    try:
        yield from webdataset.WebDataset(tar.as_posix(), shardshuffle=False, empty_check=False)
    except ValueError as error:
        raise DataError(f"{tar}: holds one file twice ({str(error).splitlines()[0]}); make it again with each key once.") from error


def _require_whole(tar: Path) -> None:
    """Raises `DataError` for what is no tar, or one that is cut off: reading it as a stream would end without a word."""
    try:
        with tarfile.open(tar, "r:") as archive:
            members = archive.getmembers()
        end = members[-1].offset_data + -(-members[-1].size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if members else 0
        with tar.open("rb") as stream:
            stream.seek(end)
            whole = stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)  # what every tar ends with
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{tar}: is no tar ({error}); fetch it again.") from error
    if not whole:
        raise DataError(f"{tar}: is cut off behind {len(members):,} files; fetch it again.")
    if not any(member.isfile() for member in members):
        raise DataError(f"{tar}: holds no sample; a sample is files of one name, such as 000.jpg and 000.txt.")


def _write(sample: Mapping[str, Any], folder: Path, tar: Path, names: dict[str, Path], several: dict[str, list[str]]) -> None:
    """`names`: of what is written, and the tar that it comes from. `several`: captions of the files that hold more than one."""
    key = PurePosixPath(sample["__key__"])
    if key.is_absolute() or ".." in key.parts or "\\" in str(key) or ":" in str(key):
        raise DataError(f"{tar}: the key {str(key)!r} leads out of its folder; rename it.")
    if str(key) in names:
        key = key.with_name(f"{tar.stem}-{key.name}")
    if str(key) in names:
        raise DataError(f"{tar}: the key {sample['__key__']!r} comes twice; make it again with each key once.")
    names[str(key)] = tar
    base = folder / key
    base.parent.mkdir(parents=True, exist_ok=True)
    report, said = base.with_name(f"{base.name}.txt"), _captions(sample, tar)
    for ending, content in sample.items():
        if isinstance(content, bytes) and ending not in (*TEXTS, RECORD):
            base.with_name(f"{base.name}.{ending}").write_bytes(content)
    if said:
        report.write_bytes(b"\n".join(said))
    if len(said) > 1:
        several[report.relative_to(folder).as_posix()] = [caption.decode() for caption in said]


def _captions(sample: Mapping[str, Any], tar: Path) -> list[bytes]:
    """The sample's text, else what its record says. Raises `DataError` for a record that is no JSON."""
    for field in TEXTS:
        if isinstance(sample.get(field), bytes):
            return [bytes(sample[field])]
    try:
        record = json.loads(sample.get(RECORD, b"null"))
    except ValueError as error:
        raise DataError(f"{tar}: the record {sample['__key__']}.{RECORD} is no JSON ({error}); mend it.") from error
    told = [record[field] for field in (*TEXTS, "captions") if field in record] if isinstance(record, dict) else []
    said = [each.strip() for field in told for each in (field if isinstance(field, list) else [field]) if isinstance(each, str)]
    try:
        captions = [caption.encode() for caption in dict.fromkeys(said) if caption]
    except UnicodeEncodeError as error:
        raise DataError(
            f"{tar}: a caption of the record {sample['__key__']}.{RECORD} holds half a character ({error.reason}); mend it."
        ) from error
    return captions or [b""] * bool(said)  # one that is empty is counted as such
