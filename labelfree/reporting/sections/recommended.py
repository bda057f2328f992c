"""The head that the run recommends: why this one, what to expect of it, and how it is used."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section


def build(context: Context) -> Section:
    told = context.run.recommended
    if not told:
        why = "nothing was compared" if not context.run.claims.get("table") else "what was compared leaves none"
        return Section("recommended", "The head to use", absent=f"No head is recommended: {why}.")
    words = context.run.words.protocol(str(told["protocol"])).heading
    values = {"file": told["file"], "why": told["why"], "expect": told["expect"], "head": f"{words} on the features of {told['arm']}"}
    return Section("recommended", "The head to use", values)
