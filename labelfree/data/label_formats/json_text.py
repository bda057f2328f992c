"""JSON from strangers: read with one clear sentence for what is broken, and its records with what they must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelfree.errors import DataError


def read_json_text(file: Path) -> Any:
    """What a JSON file holds. Raises `DataError` naming it and the line at fault."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        content = json.loads(text)
        if r"\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()  # half a letter can be named in JSON, and written nowhere
        return content
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); make it readable, or take it out.") from error
    except UnicodeError as error:
        raise DataError(f"{file}: is no text in UTF-8; export it again.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{file} line {error.lineno}: is no JSON ({error.msg}); export it again.") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise DataError(f"{file}: is no JSON ({error}); export it again.") from error
    except RecursionError as error:
        raise DataError(f"{file}: is nested beyond reason; export it again.") from error


def records(source: Path | str, content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The list of objects under a key, empty where there is none. `source`: what the sentence begins with."""
    entries = content.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{source}: {key} is no list of records; export it again.")
    return entries
