"""An objective's options are its constructor's keywords; their types say which numbers are possible: `temperature: Positive = 0.2`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Several = Annotated[int, Field(ge=2)]
LogOdds = Annotated[float, Field(ge=-100, le=0)]  # of what is rare
AnyNumber = Annotated[int, Field(ge=0)]
Exports = Literal["student", "teacher"]

STRICT = ConfigDict(extra="forbid", strict=True)  # True is no number, and "3" is none either


@cache
def options_model(constructor: Callable[..., Any]) -> type[BaseModel]:
    """The keywords of an objective's constructor as a pydantic model: each has the keyword's type and default, or is `auto`."""
    keywords = [p for p in inspect.signature(constructor).parameters.values() if p.kind is p.KEYWORD_ONLY]
    fields: dict[str, Any] = {p.name: (_type(constructor, p) | Literal["auto"], p.default) for p in keywords}
    return create_model("Options", __config__=STRICT, **fields)


def _type(constructor: Callable[..., Any], keyword: inspect.Parameter) -> Any:
    """The type that a keyword is annotated with; that of its default where a name in it is imported for type checkers only."""
    try:
        alone = SimpleNamespace(__annotations__={keyword.name: keyword.annotation})
        return get_type_hints(alone, getattr(constructor, "__globals__", {}), include_extras=True)[keyword.name]
    except NameError:
        return type(keyword.default)
