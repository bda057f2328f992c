"""The protocol in words, from what this run really did: every fact that a doubting reader would ask for."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import arm_words, count, listed


def build(context: Context) -> Section:
    facts = [
        ("Who may be seen", who(context)),
        ("Labels", labels(context)),
        ("Starting points", arms(context)),
        ("Equal treatment", equal(context)),
    ]
    facts += [("Reading out", readers(context)), ("The claim", claim(context)), ("The interval", interval(context))]
    if saved := labels_saved(context):
        facts.append(("Labels saved", saved))
    facts.append(("Leaks", leaks(context)))
    return Section("protocol", "How it was measured", {"facts": facts}, lead="The rules of this comparison, with this run's own settings.")


def who(context: Context) -> str:
    if not context.run.claims.get("primary"):
        return "The pretraining saw the unlabelled images. Without labelled images to score there was nothing else to see."
    if context.run.scored_by == "cv":
        return (
            "There is no separate test set. Labelled images, and any that share their group, stayed out of the pretraining. "
            "Scores come from cross-validation: "
            "the labelled images are cut into folds so that groups stay whole, and each fold is scored by heads that never saw it."
        )
    name = context.run.scored_by
    return (
        f"Images of the {name} split are seen by the final score alone: not by the pretraining, not when settings are chosen, "
        "not when channel means are measured. "
        "Images that share a group (a scene, a patient, a lot) are never on both sides."
    )


def labels(context: Context) -> str:
    if not context.run.words.budget.many:
        return "None: what is scored follows from the pretraining alone."
    budgets = context.run.setting("evaluate.labels_per_class", [])
    draws = int(context.run.setting("evaluate.draws", 0))
    named = listed([str(each) for each in budgets], "or")
    whole = " (one of \u201call\u201d)" if "all" in budgets else ""
    held_out = ", but to leave out images of classes that are held out" if context.run.setting("evaluate.held_out_classes") else ""
    return (
        f"Budgets of {named} {context.run.words.budget.many} were asked for; {count(draws, 'draw')} of each{whole}. A small "
        "budget is part of every larger one of its draw, and all arms get the very same "
        f"images. Labels used for choosing settings count toward the budget. Labels of pretraining images are never read{held_out}."
    )


def arms(context: Context) -> str:
    listed_arms = context.run.setting("evaluate.arms", [])
    named = [each if isinstance(each, str) else str(each.get("name")) for each in listed_arms]
    objective, name = context.run.setting("pretrain.objective", ""), context.run.setting("backbone.name", "")
    text = "; ".join(f"{arm}: {arm_words(arm, listed_arms)}" for arm in named)
    views = "SimCLR's for photographs" if context.run.setting("pretrain.views", "") == "generic" else "the domain's"
    if not text:
        return "None."
    return f"{text[:1].upper()}{text[1:]}. Pretraining uses {objective} on the backbone {name}; augmentations are {views}."


def equal(context: Context) -> str:
    sizes = context.run.setting("evaluate.sizes", "auto")
    listing = f" ({listed([str(size) for size in sizes], 'or')} pixels)" if isinstance(sizes, list) else ""
    tile = context.run.setting("evaluate.tile", None)
    looked = (
        f" Every arm looks at an image in overlapping tiles of {tile} x {tile} pixels at its own resolution; of each number that a network "
        "tells of tiles, the largest and how far it is above their mean stand for the image. Budgets and scores count whole images."
        if tile is not None
        else ""
    )
    return (
        f"What a protocol leaves to choose (input sizes{listing}, ways to scale features, strengths of regularisation) every arm "
        "chooses from the same list, by cross-validation inside its own labels; "
        "ties go to the smaller size, then to the stronger regularisation. The dashed curve gives ImageNet its best size in "
        f"hindsight, which no other arm gets.{looked}"
    )


def readers(context: Context) -> str:
    protocols = [context.run.words.protocol(each) for each in context.run.setting("evaluate.protocols", [])]
    named = [protocol.reading or protocol.heading for protocol in protocols]
    text = "; ".join(named)
    taken = "The backbone stays frozen. The last weights of the pretraining are taken, never the best on scored images."
    return f"{text[:1].upper()}{text[1:]}. {taken}"


def claim(context: Context) -> str:
    named = context.run.setting("evaluate.primary", {}) or {}
    if not named:
        return "No comparison was named, so nothing is claimed."
    words = context.run.words
    return (
        f"One comparison was named in the recipe before anything ran: {named.get('arm')} against {named.get('against')}, "
        f"{words.protocol(str(named.get('protocol'))).heading}, "
        f"{words.budget.of(str(named.get('budget')))}, {words.metric(str(named.get('metric'))).heading}. "
        "Only this is claimed. Wins, losses and ties are published alike."
    )


def interval(context: Context) -> str:
    if context.run.scored_by == "cv":
        return (
            "The 95 % interval comes from the differences of all folds of all draws, widened because folds share training "
            "images (Nadeau and Bengio 2003). "
            "The smallest resolvable difference is what such a study would find four times out of five."
        )
    return (
        "The 95 % interval adds three sources of luck: which labels were drawn, which seed pretrained (when there is more "
        "than one), and which images happened to be scored "
        "(2,000 resamplings of whole groups), with Student's t for small numbers. The smallest resolvable difference is what "
        "such a study would find four times out of five."
    )


def labels_saved(context: Context) -> str:
    if context.run.generated or not context.run.claims.get("primary") or not context.run.words.budget.many:
        return ""
    named, budget = context.run.claims["primary"], context.run.words.budget
    return (
        f"How many {budget.many} {named['against']} needs to reach what {named['arm']} reaches with "
        f"{budget.of(named['budget'])}, read from a monotone curve through the measured budgets "
        "and never beyond them: where the curve ends the figure says \u201cmore than\u201d. Values below 1 are printed."
    )


def leaks(context: Context) -> str:
    limit = context.run.setting("data.leak_limit", "auto")
    bound = "1 % of scored images or 2, whichever is more" if limit == "auto" else f"{100 * float(limit):g} % of scored images"
    return (
        "Scored images are searched for in the pool twice: by equality of decoded pixels, and as near-duplicates by "
        "correlation of fine structure (at least 0.97, turned and mirrored too). "
        f"An identical image stops a run or leaves the pool; near-duplicates stop it above {bound}."
    )
