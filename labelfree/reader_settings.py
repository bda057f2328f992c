"""What a domain is told of how its images are read, checked by the domain's own model: the recipe's words, a data card's, keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from labelfree.errors import RecipeError
from labelfree.installed_domains import domain_class, find_domain, reader_model
from labelfree.recipe import without_auto
from labelfree.recipe_mistakes import keys_of, sentence

if TYPE_CHECKING:
    from labelfree.domain import Domain

Problems = list[Any]  # as pydantic tells them


def checked_settings(model: type[BaseModel], given: Mapping[str, Any]) -> tuple[dict[str, Any], Problems]:
    """Every key that `model` knows with its checked value, None where nobody said one, and what is wrong with those given.

    A key that must be said is not missed here: a data card may say it.
    """
    try:
        made = model.model_validate(_given(model, given))
    except ValidationError as error:
        return dict(given), [problem for problem in error.errors() if problem["type"] != "missing"]
    values = made.model_dump(mode="json")
    return {key: value if key in made.model_fields_set else None for key, value in values.items()}, []


def channels_of(model: type[BaseModel], given: Mapping[str, Any]) -> list[str] | None:
    """What the channels are called, where the settings alone tell (`Domain.Reader`)."""
    try:
        return getattr(model.model_validate(given), "channels", None)
    except ValidationError:
        return None


def reader_settings(domain: str, *given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a domain's reader, defaults put in: what the first of `given` says goes before the next ones. None says nothing.

    Raises RecipeError naming the key, and the nearest one where it is unknown. Of a domain that is not installed nothing is checked.
    """
    made = _validated(domain, *given)
    return made.model_dump(mode="json") if isinstance(made, BaseModel) else made


def carried_settings(domain: str, *given: Mapping[str, Any]) -> dict[str, Any]:
    """What weights carry along: `reader_settings` but for keys that only choose among the images of one folder (`Domain.choosing`)."""
    choosing = getattr(domain_class(domain), "choosing", ())
    return {key: value for key, value in reader_settings(domain, *given).items() if key not in choosing}


def domain_with(name: str, *given: Mapping[str, Any]) -> Domain:
    """The installed domain called `name`, told what `reader_settings` puts together. Raises RecipeError."""
    return find_domain(name, dict(_validated(name, *given)))


def _validated(domain: str, *given: Mapping[str, Any]) -> BaseModel | dict[str, Any]:
    together = {key: value for settings in reversed(given) for key, value in settings.items() if value is not None}
    model = reader_model(domain)
    if model is None:
        return together
    try:
        return model.model_validate(_given(model, together))
    except ValidationError as error:
        raise RecipeError(mistake_in(domain, together, error.errors()[0])) from None


def mistake_in(domain: str, given: Mapping[str, Any], problem: Any) -> str:
    """What is wrong with settings of a reader, in a sentence."""
    return sentence(keys_of(("reader", *problem["loc"]), domain), problem, {"domain": domain, "reader": given})


def _given(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in without_auto(model, dict(given)).items() if value is not None or key not in model.model_fields}
