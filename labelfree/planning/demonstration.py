"""Which recipe `labelfree demo` runs: each domain names its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelfree.errors import RecipeError
from labelfree.installed_domains import domain_class, sound_domains


def demo_recipe(domain: str | None, tell: Callable[[str], None]) -> str | Path:
    """The demo of `domain`, else of the first installed one that has a demo; `tell` is told of others. Raises RecipeError."""
    if domain is not None:
        demo = _demo(domain)
        if demo is None:
            raise RecipeError(f"--domain: {domain} has no demo; those that do: {', '.join(_with_a_demo()) or 'none'}.")
        return demo
    demos = _with_a_demo()
    if not demos:
        raise RecipeError("demo: no installed domain has one; install one that does, or run a recipe of your own.")
    first, *others = demos
    if others:
        tell(f"This is the demo of the domain {first}; others: {', '.join(f'--domain {name}' for name in others)}.")
    return demos[first]


def _with_a_demo() -> dict[str, str | Path]:
    return {name: demo for name in sound_domains() if (demo := _demo(name)) is not None}


def _demo(domain: str) -> str | Path | None:
    demo: str | Path | None = getattr(domain_class(domain), "demo", None)
    return demo
