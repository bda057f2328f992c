"""The page: everything it says is in the run's files, nothing is loaded, nothing vanishes without a word."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import pytest

from labelfree.errors import DataError
from labelfree.reporting import write_report
from labelfree.transfer.claims.claims import Claims, Comparison, TableRow
from labelfree.transfer.claims.labels_saved import LabelsSaved
from tests.reporting.made import claims, make_run

ANCHORS = [
    "result",
    "recommended",
    "curves",
    "scores",
    "confusion",
    "reliability",
    "operating",
    "gaps",
    "health",
    "views",
    "tokens",
    "neighbours",
    "leaks",
    "data",
    "protocol",
    "reproduce",
]
OF_SCORES = {"reliability", "operating"}  # what a run without scores, or one that asks for no threshold, has no block of


class Page(HTMLParser):
    """Tags with their attributes, and the text of each section, scripts and styles apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open.append(tag)
        if tag == "section":
            self._section = str(dict(attrs)["id"])

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[-1]:
            self._open.pop()
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._section and not self._open:
            self.sections[self._section] = " ".join(f"{self.sections.get(self._section, '')} {data}".split())


def text_of(folder: Path, section: str) -> str:
    return Page(write_report(folder).read_text(encoding="utf-8")).sections[section]


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.S)


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    read = Page(page)
    assert [a for _, attrs in read.tags for name in ("src", "href") if (a := attrs.get(name)) and not a.startswith(("data:", "#"))] == []
    assert not re.search(r"url\(|@import|https?://", without_scripts(page))
    policy = next(
        str(attrs["content"]) for tag, attrs in read.tags if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")  # a browser would refuse even what plotly could ask for


def test_every_number_of_the_table_is_the_one_in_the_claims(page: str, run_folder: Path) -> None:
    stored = json.loads((run_folder / "claims.json").read_text())["table"]
    shown = re.findall(r'<data value="([^"]+)" data-low="([^"]+)" data-high="([^"]+)"[^>]*>([^<]+)</data>', page)
    as_numbers = sorted((float(mean), float(low), float(high)) for mean, low, high, _ in shown)
    assert as_numbers == sorted((row["mean"], row["low"], row["high"]) for row in stored)
    assert all(text == f"{100 * float(mean):.1f}" for mean, _, _, text in shown)


def test_a_cell_stands_in_its_row_and_column(page: str) -> None:
    table = re.search(r"<caption><strong>Linear probe.*?</table>", page, re.S)
    assert table is not None
    lines = {
        re.sub(r"<.*?>|\s", "", line.split("</th>")[0]): re.findall(r"<data value=.*?>([\d.]+)</data>", line)
        for line in table[0].split("<tr>")[2:]
    }
    assert lines == {
        "statistics": ["31.0", "42.0", "46.0", "52.0", "53.0"],
        "random": ["27.0", "38.0", "45.0", "55.0", "58.0"],
        "imagenet": ["46.0", "67.3", "74.5", "81.9", "83.8"],
        "imagenet+domain": ["61.0", "78.5", "81.5", "84.2", "85.1"],
    }
    assert len(re.findall(r'<td class="claimed">', page)) == 2  # the two arms of the primary at its budget


def test_the_fixture_has_the_shape_that_claims_have() -> None:
    made = claims()
    assert set(made) == {field.name for field in fields(Claims)}
    assert set(made["primary"]) == {field.name for field in fields(Comparison)}
    assert set(made["table"][0]) == {field.name for field in fields(TableRow)}
    assert set(made["labels_saved"]) == {field.name for field in fields(LabelsSaved)} | {"text", "words"}


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (0.112, "With 5 labels a class, imagenet+domain is better than imagenet by 11.2 points of accuracy."),
        (-0.062, "With 5 labels a class, imagenet+domain is worse than imagenet by 6.2 points of accuracy."),
        (0.012, "No significant difference: with 5 labels a class, imagenet+domain and imagenet are 1.2 points of accuracy apart"),
    ],
)
def test_a_win_a_loss_and_a_tie_are_said_alike(tmp_path: Path, difference: float, said: str) -> None:
    result = text_of(make_run(tmp_path / "run", scores=claims(difference)), "result")
    assert said in result
    assert "Smallest difference these labels can resolve: 4.4 points." in result
    assert "Labels saved at 5 labels a class 4.9× 95 % interval 3.4× to > 20×" in result


def test_what_did_not_converge_is_no_claim(tmp_path: Path) -> None:
    made = claims()
    made["primary"] |= {"undertrained": True, "verdict": "no claim", "p": 1.0}
    result = text_of(make_run(tmp_path / "run", scores=made), "result")
    assert "No claim: with 5 labels a class, a solver of imagenet+domain or imagenet did not converge." in result
    assert "is better" not in result and "Labels saved" not in result
    made["primary"] |= {"undertrained": False, "withheld": "imagenet+domain is not shown to beat random weights of its own architecture"}
    assert "No claim: with 5 labels a class, imagenet+domain is not shown to beat" in text_of(
        make_run(tmp_path / "other", scores=made), "result"
    )


def test_a_table_can_stand_without_a_claim(tmp_path: Path) -> None:
    made = claims(primary=None, labels_saved=None, resolvable=None, headline="No claim: imagenet of the primary comparison was not scored.")
    read = Page(write_report(make_run(tmp_path / "run", scores=made)).read_text(encoding="utf-8"))
    assert "No claim: imagenet of the primary comparison was not scored." in read.sections["result"]
    assert "78.5" in read.sections["scores"]


def test_generated_data_claim_nothing(tmp_path: Path) -> None:
    html = write_report(make_run(tmp_path / "run", generated=True)).read_text(encoding="utf-8")
    read, seen = Page(html), without_scripts(html)
    assert "generated: shows that the pipeline works, says nothing about methods" in seen
    assert "Labels saved" not in seen and "4.9×" not in html and "is better than" not in seen and "Arrow:" not in seen
    assert "78.5" in read.sections["scores"]  # scores are shown all the same


def test_tiles_are_not_counted_as_images(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    file = folder / "fingerprint.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"format": {".png": 6, ".tif": 7}}), encoding="utf-8")
    write_report(folder)
    assert "Pretrained on 8,411 tiles of 13 unlabelled images" in (folder / "report.html").read_text(encoding="utf-8")


def test_transductive_runs_say_so(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    leaks = json.loads((folder / "leaks.json").read_text())
    (folder / "leaks.json").write_text(json.dumps(leaks | {"transductive": True}))
    assert 'role="note">transductive' in write_report(folder).read_text(encoding="utf-8")


def test_another_architecture_is_marked(tmp_path: Path) -> None:
    made = claims()
    for row in made["table"]:
        row["backbone"] = "vit_tiny" if row["arm"] == "imagenet" else row["backbone"]
    scores = text_of(make_run(tmp_path / "run", scores=made), "scores")
    assert scores.count("different architecture: vit_tiny, not tf_efficientnet_lite0") == 1


def test_how_to_reproduce_has_command_code_and_seeds(page: str) -> None:
    told = Page(page).sections["reproduce"]
    for fact in (
        "labelfree run recipes/satellite_dino.yaml",
        "commit fa6c30e",
        "recipe 0; pretraining 0",
        "torch 2.14.0",
        "objective: dino",
    ):
        assert fact in told


def test_few_labels_are_indicative_only(tmp_path: Path) -> None:
    result = text_of(make_run(tmp_path / "run", scores=claims(notes=["Indicative only: the rarest class has 6 labels."])), "result")
    assert "Indicative only: the rarest class has 6 labels." in result


def test_scores_on_chosen_images_are_said_to_be_indicative_once(tmp_path: Path) -> None:
    note = "Indicative only: 45 of 45 labels were chosen (typical), and chosen images are no sample of those to come."
    made = claims(notes=[note], labels_saved=None)
    made["primary"] |= {"verdict": "indicative only", "withheld": "the scored images were chosen", "p": 1.0}
    run = make_run(tmp_path / "run", scores=made)
    (run / "notes.json").write_text(json.dumps([note]))
    page = Page(write_report(run).read_text(encoding="utf-8")).sections
    assert "are 11.2 points of accuracy apart on images that were chosen, so nothing is claimed." in page["result"]
    assert "is better than" not in page["result"] and "Labels saved" not in page["result"] and "p = " not in page["result"]
    assert page["result"].count(note) == 1 and note not in page.get("gaps", "")


def test_an_audit_stands_beside_the_result(tmp_path: Path) -> None:
    note = "Scored on 96 images drawn at random before labelling (audit) alone; the 45 chosen ones (typical) only train."
    run = make_run(tmp_path / "run", scores=claims(notes=[note]))
    result = text_of(run, "result")
    assert note in result and "Smallest difference these labels can resolve: 4.4 points." in result and "Indicative" not in result


def test_a_run_without_labels_explains_every_section(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("domain: satellite\n")
    (folder / "notes.json").write_text(
        '["Nothing could be compared: there are no labels. Add them with data.labels=labels.csv (path,label)."]'
    )
    html = write_report(folder).read_text(encoding="utf-8")
    read = Page(html)
    assert list(read.sections) == [anchor for anchor in ANCHORS if anchor not in OF_SCORES]
    assert "there are no labels. Add them with data.labels=labels.csv" in read.sections["result"]
    assert html.count('class="absent"') == 11  # all but what is missing, the protocol in words and how to reproduce
    assert "Plotly" not in html  # no chart, no library


def test_scores_with_and_without_near_duplicates(page: str) -> None:
    rows = re.findall(r'<tr><th scope="row">(imagenet[^<]*)</th><td>([^<]+)</td><td>([^<]+)</td><td>([^<]+)</td></tr>', page)
    assert rows == [("imagenet+domain", "92.9", "100.0", "+7.1"), ("imagenet", "7.1", "0.0", "−7.1")]  # 3 of 42 scored images


def test_labels_of_pretraining_rows_are_never_shown(page: str) -> None:
    assert re.search(r'<th scope="row">label not used</th><td>120</td><td>–</td><td>–</td>', page)
    assert re.search(r'<th scope="row">Forest</th><td>–</td><td>10</td><td>7</td>', page)


def test_every_picture_and_chart_is_described(page: str) -> None:
    read = Page(page)
    assert sum(tag == "img" for tag, _ in read.tags) == 1 + 2 + 6 * 11 + 3
    assert all(attrs.get("alt") for tag, attrs in read.tags if tag == "img")
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for tag, attrs in read.tags if tag == "svg")


def test_the_chart_that_looks_at_labels_is_marked_and_last(page: str, tmp_path: Path) -> None:
    assert "without any label" in Page(page).sections["health"]
    folder = make_run(tmp_path / "run")
    with (folder / "metrics.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"imagenet+domain,0,{step},{name},0.8\n" for name in ("train_knn", "rankme_kept", "zeal") for step in (5, 10))
    health = text_of(folder, "health")
    assert "only the last chart looks at labels" in health and "without any label" not in health
    assert health.index("Zeal") < health.index("kNN among the labelled training images")
    assert "Rankme kept" not in health  # RankMe on another scale


def test_the_page_stays_small_enough_to_mail(run_folder: Path) -> None:
    assert (run_folder / "report.html").stat().st_size < 6e6


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "notes.json").write_text(json.dumps(["<script>alert(1)</script> was skipped"]))
    html = write_report(folder).read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html and "&lt;script&gt;alert(1)" in html


def test_what_was_cut_for_time_is_apart_from_what_is_missing(page: str) -> None:
    gaps = Page(page).sections["gaps"]
    assert gaps.index("imagenet-inflated: left out") < gaps.index("Cut to fit the time") < gaps.index("draws were cut from 10 to 5")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "claims.json").write_text("{")
    with pytest.raises(DataError, match=r"claims\.json: not JSON"):
        write_report(folder)
    with pytest.raises(DataError, match="not a run folder"):
        write_report(tmp_path)


def test_thresholds_are_told_with_what_they_were_set_for(page: str) -> None:
    shown = Page(page).sections["operating"]
    assert "at most 5.0 % of the images without River" in shown
    assert "imagenet, River from a score of 0.61 on: 3 of 7 images of River missed." in shown


def test_how_true_scores_are_is_told_with_its_intervals(run_folder: Path, page: str, tmp_path: Path) -> None:
    shown = Page(page).sections["reliability"]
    assert "expected calibration error" in shown and "21.0 % (10.0 to 23.0)" in shown
    assert "0.300" in shown  # no interval: too few draws
    assert 'data-chart="reliability"' in page
    folder = make_run(tmp_path / "run")
    (folder / "reliability.json").unlink()  # a run that was scored before
    assert "reliability" not in Page(write_report(folder).read_text(encoding="utf-8")).sections
