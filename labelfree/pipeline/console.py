"""What a run tells the console besides its progress: at its start what it will cost, at its end its scores."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from labelfree.pipeline.context import Context
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretraining_plans import Pretrainings
from labelfree.pipeline.unlabelled_images import readers
from labelfree.planning.costs import probe_seconds, run_gigabytes, spread_seconds
from labelfree.recipe import Recipe
from labelfree.reporting.words import score
from labelfree.transfer.words import TaskWords

TRAINED = "how long it takes is known after the first heads: evaluate.minutes bounds it"
EMBEDS_FASTER = 3.0  # a forward pass against a training step's forward and backward of one view


def announce(run: Context, inputs: Inputs, planned: Pretrainings) -> None:
    """Print the forecast and what every `auto` became."""
    for sentence in planned.sentences:
        run.say.say(sentence)
    n = len(planned.jobs)
    steps = sum(job.plan.steps for job in planned.jobs)
    parts = [f"{n} pretraining{'s' if n != 1 else ''} ({steps:,} steps, about {_minutes(planned.seconds)})"]
    if run.comparing and inputs.question is not None:
        seconds = _comparison_seconds(run.recipe, inputs, planned)
        parts.append(f"then the comparison ({TRAINED if seconds is None else f'about {_minutes(seconds)}'})")
    gigabytes = run_gigabytes(n, run.comparing)
    free = shutil.disk_usage(run.folder.path).free / 1e9
    run.say.say(f"Ahead: {', '.join(parts)}; about {gigabytes:.1f} GB of disk in {run.folder.home} ({free:,.0f} GB free).")


def _comparison_seconds(recipe: Recipe, inputs: Inputs, planned: Pretrainings) -> float | None:
    """None where heads are trained by steps, or on pixels, and nothing bounds their time; else these fill what is given."""
    assert inputs.question is not None
    settings = recipe.evaluate
    if any(one.steps or one.needs == "pyramid" for one in map(inputs.question.task.protocol, settings.protocols)):
        return 60 * settings.minutes if settings.minutes else None
    arms = len(settings.arms) + len(recipe.pretrain.seeds) - 1
    probes = probe_seconds(arms, len(settings.protocols), len(settings.labels_per_class), settings.draws, inputs.question.crossed)
    beside = len(inputs.unlabelled or ())
    probes += spread_seconds(
        arms, len(readers(recipe, inputs.question.task)), len(settings.labels_per_class), settings.draws, inputs.question.crossed, beside
    )
    speeds = [job.plan.batch_size * 2 / job.plan.seconds_per_step for job in planned.jobs if job.plan.seconds_per_step]
    views = sum(speeds) / max(len(speeds), 1)
    passes = 14 if settings.sizes == "auto" else len(settings.sizes) * 4  # 1 + 4 + 9 times the pixels of one pass
    features = arms * (len(inputs.question.ids) + beside) * passes / (EMBEDS_FASTER * views) if views else 0.0
    return min(probes + features, 60 * settings.minutes) if settings.minutes else probes + features


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def score_lines(claims: Mapping[str, Any], words: TaskWords) -> list[str]:
    """Mean scores, budgets in columns, as they stand in claims.json; nothing where nothing was compared."""
    rows = claims.get("table", [])
    lines = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        scored = [row for row in rows if row["protocol"] == protocol]
        budgets = list(dict.fromkeys(str(row["budget"]) for row in scored))
        metric = words.metric(scored[0]["metric"])
        cells = {(row["arm"], str(row["budget"])): score(row["mean"], metric) for row in scored}
        arms = list(dict.fromkeys(row["arm"] for row in scored))
        title = f"{words.protocol(protocol).words}, {metric.words}{f' in {metric.of_scores}' if metric.of_scores else ''}"
        title = f"{title} at" if words.budget.many else title
        width = max(map(len, [title, *arms]))
        named = f"{' '.join(f'{budget:>6}' for budget in budgets)}  {words.budget.many}" if words.budget.many else ""
        lines.append(f"{title:<{width}} {named}".rstrip())
        lines += [f"{arm:<{width}} " + " ".join(f"{cells.get((arm, budget), '-'):>6}" for budget in budgets) for arm in arms]
    return lines
