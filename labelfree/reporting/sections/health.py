"""Health of each pretraining: a falling loss is no evidence, so what the embeddings do is drawn beside it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from labelfree.reporting.charts import Chart, Series, Style
from labelfree.reporting.files import Curve
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch, tick_text
from labelfree.reporting.words import listed, time_taken

MOST = 240  # points of a drawn curve

KNOWN = {
    "loss": ("Loss", "What the method minimises. Falling is expected and, alone, proves nothing."),
    "std": ("Spread of the embeddings", "1: images spread evenly over every dimension. Near 0: collapse, all images look the same."),
    "rankme": ("RankMe", "How many directions the embeddings really use. Higher is richer; one is a collapse."),
    "alignment": ("Alignment", "Distance between two views of one image. Lower: the network ignores what the views change."),
    "uniformity": ("Uniformity", "How evenly images fill the space. Lower is more even; 0 is a collapse."),
    "separation": ("Separation", "1: views of an image are the same, images differ. 0: collapse, views are no more alike than images."),
    "projection_rank": ("Directions of the projections", "How many directions the head's outputs use. One is a collapse."),
    "projection_std": ("Spread of the projections", "The same behind the head, where BatchNorm can hide a collapse."),
    "positive_similarity": ("Similarity of positives", "Mean cosine of two views of one image."),
    "negative_similarity": ("Similarity of negatives", "Mean cosine of two images. Rising towards the positives': a collapse is near."),
    "information": ("Information in the teacher's answers", "What an answer tells of its image. 0: collapse, all get the same answer."),
    "teacher_entropy": ("Entropy of the teacher", "How undecided one answer is, as a share of the maximum. At 1: all prototypes alike."),
    "marginal_entropy": ("Entropy of the mean answer", "How evenly prototypes are used, as a share of the maximum. Near 0: one takes all."),
    "queue_age": ("Age of the queue", "Steps since the oldest negative was enqueued."),
    "gradient_norm": ("Gradient norm", "Size of a step's gradient, before clipping. Spikes mean the rate is near its limit."),
    "train_knn": (
        "kNN among the labelled training images",
        "The one chart that looks at labels, as pretrain.watch_labels asked. Nothing was chosen by it.",
    ),
}
LABELLED = {"train_knn"}
HIDDEN = {"rankme_kept", "embedding_separation"}  # RankMe on another scale; what qualifies it
ALIASES = {"train_loss": "loss", "grad_norm": "gradient_norm", "entropy_teacher": "teacher_entropy"}


def build(context: Context) -> Section:
    curves = [curve for curve in context.run.curves if curve.values]
    if not curves:
        return Section(
            "health", "Health of the pretraining", absent="No pretraining was watched in this run: metrics.csv is missing or empty."
        )
    arms = list(dict.fromkeys(curve.arm for curve in curves))
    names = {plain(curve.name) for curve in curves} - HIDDEN
    order = [*(name for name in KNOWN if name in names - LABELLED), *sorted(names - set(KNOWN)), *(names & LABELLED)]
    seeds = sorted({curve.seed for curve in curves})
    taken = [f"{', seed '.join(key.rsplit('-', 1))} {time_taken(facts)}" for key, facts in context.run.plan.get("taken", {}).items()]
    lasted = f" {'; '.join(taken)}." if taken else ""
    labels = "; only the last chart looks at labels" if "train_knn" in names else ", without any label"
    return Section(
        "health",
        "Health of the pretraining",
        {
            "charts": [chart(name, [curve for curve in curves if plain(curve.name) == name], context) for name in order],
            "keys": [(arm, swatch(context.styles.get(arm, Style("#1f2933")))) for arm in arms],
        },
        lead=f"Pretrained: {listed(arms)}, seed {listed(seeds)}. Measured at single steps on the training views{labels}.{lasted}",
    )


def plain(name: str) -> str:
    """Names as the pretraining logs them, without a prefix such as health/."""
    last = name.rsplit("/", 1)[-1].lower()
    return ALIASES.get(last, last)


def chart(name: str, curves: Sequence[Curve], context: Context) -> Chart:
    title, meaning = KNOWN.get(name, (name.replace("_", " ").capitalize(), "Logged by the method itself."))
    many = len({curve.seed for curve in curves}) > 1
    lines = []
    for curve in curves:
        steps, values = thinned(curve)
        label = f"{curve.arm}, seed {curve.seed}" if many else curve.arm
        lines.append(Series(label, steps, values, context.styles.get(curve.arm, Style("#1f2933")), points=len(values) == 1))
    drawn = [value for line in lines for value in line.y]
    wide = name == "gradient_norm" and min(drawn) > 0 and max(drawn) > 30 * min(drawn)
    last = "; ".join(f"{line.name} ends at {tick_text(float(f'{line.y[-1]:.3g}'))}" for line in lines)
    return Chart(
        f"health-{name}",
        title,
        f"{title} over training steps: {last}.",
        lines,
        x_title="step",
        log_y=wide,
        height=220,
        width=380,
        digits=3,
        note=meaning,
    )


def thinned(curve: Curve) -> tuple[list[float], list[float]]:
    """At most `MOST` points: means of equal runs of steps, the last one kept as it is."""
    n = len(curve.steps)
    if n <= MOST:
        return curve.steps, curve.values
    edges = [round(i * (n - 1) / (MOST - 1)) for i in range(MOST)]
    runs = [range(a, b) for a, b in itertools.pairwise(edges) if b > a]
    steps = [sum(curve.steps[i] for i in span) / len(span) for span in runs]
    values = [sum(curve.values[i] for i in span) / len(span) for span in runs]
    return [*steps, curve.steps[-1]], [*values, curve.values[-1]]
