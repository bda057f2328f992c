"""What could not be compared, what was cut for time, and why."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section


def build(context: Context) -> Section:
    notes = context.run.notes
    cuts = [note for note in notes if "evaluate.minutes" in note]
    rest = [note for note in notes if note not in cuts]
    minutes = context.run.setting("evaluate.minutes")
    if minutes and not cuts and context.run.claims:
        cuts = [f"evaluate.minutes: {minutes:g} was enough: nothing was cut."]
    if not notes and not cuts:
        return Section(
            "gaps", "What is missing", absent="Nothing: every arm, budget and protocol of the recipe was compared, and nothing was cut."
        )
    return Section("gaps", "What is missing, and why", {"notes": rest, "cuts": cuts})
