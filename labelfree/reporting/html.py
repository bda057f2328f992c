"""A run folder's files made into report.html: one page that needs nothing else, on any screen, on paper, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from labelfree.data.budgets import NO_LABELS
from labelfree.reporting import plotly_figures, svg_figures
from labelfree.reporting.anonymise import Anonymiser
from labelfree.reporting.charts import Chart, styles
from labelfree.reporting.files import RunFiles
from labelfree.reporting.pictures import Album
from labelfree.reporting.sections import BUILDERS
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import count, listed
from labelfree.training.files import write_text

GENERATED = "generated: shows that the pipeline works, says nothing about methods"
NUMBERS = {2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven"}
TRANSDUCTIVE = "transductive: scored images were also in the pretraining pool; these scores do not hold for new images"


def write_report(folder: Path, share: bool | None = None) -> Path:
    """Reads the files of the run `folder` and writes its report.html; returns its path.

    `share`: hide names and pictures; default as the recipe says (`report.share`). A file that is missing is said so on the page.
    Raises `DataError` when `folder` is no run or one of its files is broken.
    """
    run = RunFiles(Path(folder))
    shared = run.setting("report.share") is True if share is None else share
    if shared:
        Anonymiser.of(run.folder).cover(run)
    path = run.folder / "report.html"
    write_text(path, render(run, shared))
    return path


def render(run: RunFiles, shared: bool = False) -> str:
    """The page as text."""
    context = Context(run, styles(arms(run)), Album(), pictures_allowed(run, shared))
    sections = [section for build in BUILDERS if (section := build(context)) is not None]
    banners = [banner for banner, shown in ((GENERATED, run.generated), (TRANSDUCTIVE, run.transductive)) if shown]
    return page("report", name_of(run), deck(run), banners, sections, context.album.omitted)


def page(kind: str, title: str, deck: str, banners: Sequence[str], sections: Sequence[Section], omitted: int = 0) -> str:
    """Sections in the house's page, which needs nothing else. `kind`: what it is ("report"); `omitted`: pictures there was no room for."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from plotly.offline import get_plotlyjs

    house = Environment(
        loader=PackageLoader("labelfree.reporting"),
        autoescape=select_autoescape(["j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    house.filters["still"] = svg_figures.svg
    drawn = {chart.key: plotly_figures.figure(chart) for chart in charts(sections)}
    return house.get_template("report.html.j2").render(
        kind=kind,
        title=title,
        deck=deck,
        banners=banners,
        sections=sections,
        css=Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")),
        script=Markup((Path(__file__).parent / "templates" / "report.js").read_text(encoding="utf-8")),
        figures=Markup(json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c")),
        plotly=Markup(get_plotlyjs()) if drawn else "",
        omitted=omitted,
    )


def charts(sections: Iterable[Section]) -> list[Chart]:
    return [chart for section in sections for chart in section.values.get("charts", ())]


def arms(run: RunFiles) -> list[str]:
    """Every arm that is drawn, in the recipe's order, then those only a file knows."""
    named = [arm if isinstance(arm, str) else str(arm.get("name")) for arm in run.setting("evaluate.arms", [])]
    scored = [row["arm"] for row in run.claims.get("table") or []]
    return list(dict.fromkeys([*named, *scored, *(curve.arm for curve in run.curves), *run.neighbours.get("arms", {})]))


def pictures_allowed(run: RunFiles, shared: bool) -> bool:
    """Source pictures are shown unless the report is to be shared and they are somebody's; `report.images` decides where it is not auto."""
    asked = run.setting("report.images", "auto")
    return bool(asked) if isinstance(asked, bool) else run.generated or not shared


def name_of(run: RunFiles) -> str:
    """The data set's name: its card's, else the recipe's."""
    return str(run.card.get("name") or run.setting("name") or run.setting("data.card") or "Your images")


def deck(run: RunFiles) -> str:
    """What was compared, in one or two sentences."""
    rows: list[Mapping[str, Any]] = run.claims.get("table") or []
    pool, images = int(run.fingerprint.get("count") or 0), sum((run.fingerprint.get("format") or {}).values())
    what = count(pool, "unlabelled image") if pool <= images or not images else f"{pool:,} tiles of {count(images, 'unlabelled image')}"
    trained = f"Pretrained on {what} ({run.setting('domain', '')})." if pool and run.curves else ""
    if not rows:
        return f"{trained} Nothing was compared: there are no scores.".strip()
    scored = list(dict.fromkeys(row["arm"] for row in rows))
    budgets = [
        str(each) for _, each in sorted({(float(row["x"]), str(row["budget"])) for row in rows if str(row["budget"]) != str(NO_LABELS)})
    ]
    readers = listed([run.words.protocol(each).heading for each in dict.fromkeys(row["protocol"] for row in rows)])
    measured = listed([run.words.metric(str(each)).heading for each in dict.fromkeys(row.get("metric", "score") for row in rows)])
    number = NUMBERS.get(len(scored), str(len(scored)))
    labels = f"{listed(budgets, 'or')} {run.words.budget.many}" if run.words.budget.many else run.words.budget.all
    return f"{trained} {number} starting points compared with {labels}: {measured} by {readers}.".strip()
