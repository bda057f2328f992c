"""What a person types at data with drawn labels: the commands of each case, in process, judged by exit code and by what they print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from labelfree import cli
from tests.cases.case import cases_on_disk


@pytest.mark.parametrize("folder", cases_on_disk("labels"))
def test_commands_of_a_case(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for command in json.loads((folder / "expect.json").read_text(encoding="utf-8"))["commands"]:
        monkeypatch.setattr(cli.State, "console", None)  # a process has one, with the streams that it began with
        with pytest.raises(SystemExit) as ended:
            cli.main([word.replace("DIR", str(folder / "data")) for word in command["run"][1:]])
        said = "".join(capsys.readouterr())
        assert ended.value.code in command["exit"], said
        for expression in command["says"]:
            assert re.search(expression, said, re.IGNORECASE), f"{expression} in {said}"
        for expression in command["never"]:
            assert not re.search(expression, said, re.IGNORECASE), f"{expression} in {said}"
