"""The pages that are tested: their code blocks and links."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").rglob("*.md"))]
NOTEBOOK = TOP / "docs" / "quickstart.ipynb"


def blocks(page: Path, language: str) -> list[str]:
    """Contents of the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Every `labelfree …` line of a page's fenced or indented blocks, continued lines joined, comments and launchers left out."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    inside, found = False, []
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif (inside or line.startswith("    ")) and (typed := re.match(r"\s*((python|torchrun|srun) .*)?(labelfree .*)", line)):
            found += [part.strip() for part in re.sub(r"\s#.*", "", typed[3]).split("&&")]
    return found


def links(page: Path) -> list[str]:
    """Targets of the links to files and headings, anchors included."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL))
    return [target for target in targets if not target.startswith(("http", "mailto:"))]


def headings(page: Path) -> set[str]:
    """What links call the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
