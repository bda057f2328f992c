"""Vector files of shapes with a class: GeoPackage, Shapefile, GeoJSON, FlatGeobuf, KML, GML, file geodatabase, GeoParquet."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labelfree.data.table_cells import missing_note, names_in
from labelfree.errors import DataError

SUFFIXES = {".gpkg", ".shp", ".geojson", ".fgb", ".kml", ".kmz", ".gml", ".gdb", ".geoparquet", ".geojsonl"}
PARTS_OF_SHAPEFILES = {".dbf", ".shx", ".prj", ".cpg"}
PARQUETS = {".parquet", ".pq", ".geoparquet"}
INSIDE = (".shp", ".gpkg", ".geojson", ".fgb", ".kml", ".gml")  # of a zip


class ShapeFields(NamedTuple):
    """Fields of a vector file: the class, and the date (None: not asked).

    `chip`: side of chips in pixels, None: from the shapes. `background`: the class of what lies outside every shape, None: nobody knows.
    `layer`: of a file that holds several.
    """

    label: str | None
    date: str | None = None
    chip: int | None = None
    background: str | None = None
    layer: str | None = None


class Vectors(NamedTuple):
    """`frame`: shapes whose class is known, its field as text. `outlines`: all that have a shape. `notes`: what is left out, in words."""

    frame: Any
    outlines: Any
    notes: tuple[str, ...]


def is_vector(file: Path) -> bool:
    """Whether a file (or a .gdb folder) holds shapes: by its ending, and for JSON, Parquet and zip by what is in it."""
    ending = file.suffix.lower()
    if ending in PARTS_OF_SHAPEFILES and (main := file.with_suffix(".shp")).is_file():
        raise DataError(f"{file}: belongs to the Shapefile {main.name}; name that one.")
    if ending in SUFFIXES:
        return True
    return ending in LOOKED_INTO and LOOKED_INTO[ending](file)


def read_vectors(file: Path, fields: ShapeFields) -> Vectors:
    """The shapes of a vector file. Raises DataError naming file and field for what is missing."""
    try:
        import geopandas
    except ImportError as error:
        raise DataError(f"{file}: geopandas is needed to read it; pip install 'labelfree[satellite]'.") from error
    try:
        frame = _parquet(file, fields) if file.suffix.lower() in PARQUETS else _layer(file, fields)
    except DataError:
        raise
    except Exception as error:  # drivers raise whatever they like at broken files
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition("; It might help")[0]
        raise DataError(f"{file}: cannot be read as vector data ({reason}); export it again, best as GeoPackage (.gpkg).") from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise DataError(f"{file}: holds a table without shapes; name a vector file (GeoPackage, Shapefile, GeoJSON, KML, GeoParquet).")
    if frame.empty:
        raise DataError(f"{file}: holds no feature{f' in its layer {fields.layer}' if fields.layer else ''}; export it again.")
    others = [str(name) for name in frame.columns if name != frame.geometry.name and frame[name].notna().any()]
    if len(frame.columns) == 1:
        lost = "its .dbf is missing, fetch it too" if _lacks_dbf(file) else "add one that holds the class"
        raise DataError(f"{file}: its features have no field; {lost}.")
    if fields.label is None:
        raise DataError(f"{file}: say which field holds the class: data.label_field=… ({', '.join(others)}).")
    for key, name in (("label_field", fields.label), ("date_field", fields.date)):
        if name is not None and name not in frame.columns:
            near = difflib.get_close_matches(name, others, 1) or [other for other in others if other.lower() == name.lower()]
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(others)}."
            raise DataError(f"data.{key}: {file.name} has no field {name!r}; {hint}")
    if frame.crs is None:
        raise DataError(f"{file}: has no coordinate system; save it with one (a Shapefile needs its .prj).")
    return _usable(file, frame, fields.label)


def _usable(file: Path, frame: Any, label: str) -> Vectors:
    """The shapes that can give labels, and sentences on the others."""
    shaped = frame.geometry.notna() & ~frame.geometry.is_empty
    names, words = names_in(frame[label])
    frame = frame.assign(**{label: names})
    named = frame[label].notna()
    if not (shaped & named).any():
        raise DataError(f"{file}: no feature has a shape and a value of {label}.")
    notes = [f"{file.name}: {missing_note(words, label)}"] if words else []
    for left_out, reason in ((shaped & ~named, f"without a value of {label}"), (~shaped, "without a shape")):
        if n := int(left_out.sum()):
            notes.append(f"{file.name}: {features(frame, n)} {reason} {'are' if n > 1 else 'is'} left out.")
    usable = frame[shaped & named].reset_index(drop=True)
    if n := int((~usable.geometry.is_valid).sum()):
        outline = "have outlines that are not valid and are taken as they stand"
        outline = outline if n > 1 else "has an outline that is not valid and is taken as it stands"
        notes.append(f"{file.name}: {features(frame, n)} {outline} in the file.")
    return Vectors(usable, frame[shaped], tuple(notes))


def _lacks_dbf(file: Path) -> bool:
    return file.suffix.lower() == ".shp" and not any(file.with_suffix(ending).is_file() for ending in (".dbf", ".DBF"))


def features(frame: Any, number: int) -> str:
    """How many, as a person calls them."""
    kinds = set(frame.geometry.geom_type.dropna())
    word = "polygon" if kinds and all(kind.endswith("Polygon") for kind in kinds) else "feature"
    return f"{number:,} {word}{'s' * (number > 1)}"


def _layer(file: Path, fields: ShapeFields) -> Any:
    """The one layer of shapes, or the one that the recipe names."""
    import geopandas

    source = _inside(file) if file.suffix.lower() == ".zip" else file
    tables = geopandas.list_layers(source)
    layers = list(tables.name[tables.geometry_type.notna()])  # QGIS keeps styles in a table beside
    if not layers:
        raise DataError(f"{file}: holds no layer of shapes.")
    _check_layer(file, layers, fields.layer)
    return geopandas.read_file(source, layer=fields.layer or layers[0])


def _parquet(file: Path, fields: ShapeFields) -> Any:
    import geopandas

    _check_layer(file, [file.stem], fields.layer)
    return geopandas.read_parquet(file)


def _check_layer(file: Path, layers: Sequence[str], wanted: str | None) -> None:
    if wanted is None and len(layers) > 1:
        raise DataError(f"{file}: holds several layers; say which one with reader.layer=… ({', '.join(layers)}).")
    if wanted is not None and wanted not in layers:
        raise DataError(f"reader.layer: {file.name} has no layer {wanted!r}; it has {', '.join(layers)}.")


def _is_geoparquet(file: Path) -> bool:
    """Whether its metadata says so (GeoParquet specification, key `geo`)."""
    import pyarrow.parquet as parquet

    try:
        return b"geo" in (parquet.read_schema(file).metadata or {})
    except (OSError, ValueError):
        return False


def _is_geojson(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.read(2**16)
    except OSError:
        return False
    return b'"FeatureCollection"' in head or b'"Feature"' in head


def _is_mapinfo(file: Path) -> bool:
    """Whether a .tab is MapInfo's and no table with tabs."""
    try:
        with file.open("rb") as opened:
            return opened.read(6).lower() == b"!table"
    except OSError:
        return False


def _zipped(file: Path) -> list[str]:
    """Vector files in an archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            return sorted(name for name in archive.namelist() if name.lower().endswith(INSIDE) and not name.startswith("__MACOSX"))
    except (zipfile.BadZipFile, OSError):
        return []


LOOKED_INTO: dict[str, Callable[[Path], bool]] = {
    ".parquet": _is_geoparquet, ".pq": _is_geoparquet, ".json": _is_geojson, ".tab": _is_mapinfo,
    ".zip": lambda file: bool(_zipped(file)),
}  # fmt: skip


def _inside(file: Path) -> str:
    names = _zipped(file)
    if len(names) > 1:
        raise DataError(f"{file}: holds several vector files ({', '.join(names[:5])}); unpack it and name one of them.")
    return f"/vsizip/{file.absolute().as_posix()}/{names[0]}"
