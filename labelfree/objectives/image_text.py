"""What CLIP and SigLIP share: an image tower, a text tower, and one pair of an image and a caption for each sample of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.domain import Default
from labelfree.errors import RecipeError
from labelfree.language.beginnings import side_begun, taught_file
from labelfree.language.reading import facts_of
from labelfree.language.towers import TextSide
from labelfree.objectives.base import Alarm, Crops, Objective, Situation, Step, Views
from labelfree.objectives.measures import similarities, unit_std

RATE, BATCH = 5e-4, 128  # AdamW's, of a text tower that starts anew, at this batch
GENTLE = 5e-5  # of one that was taught: as fine-tuning CLIP takes
AS_LEFT = "as the text tower's file has it"
KNUTH = 6364136223846793005  # multiplier of a generator of 64 bits (The Art of Computer Programming, vol. 2)


class ImageText(Objective):
    """The image of a pair and its caption attract. Views: one global crop (B, C, *spatial), and `text` (B, L), the numbers of a caption
    of each image.

    `text`: the text tower, a size, a folder with a text encoder, or a weight file whose text side is gone on with. `out`: width of the
    shared space. `image_rate`: the image tower's learning rate, as a share of the others'; 0 locks it. Pairs of a batch with the same
    caption are not told apart. `called`: how files name the objective, whose scale and bias are gone on with by itself alone.
    """

    called: str
    backbone: Backbone
    side: TextSide
    loss: Any  # with a `log_scale`, and where it has one a `bias`
    reads_text = "text"
    fewest, repels = 2, True
    least_crop = 0.5  # a caption speaks of the whole image
    alarms = (
        Alarm(
            "text_std",
            "all captions are nearly the same, or the text tower's rate is too high",
            "look at the captions, or lower pretrain.lr",
            least=0.02,
        ),
        Alarm("image_std", "too high a learning rate", "lower pretrain.lr or pretrain.options.image_rate", least=0.02),
    )

    def __init__(self, backbone: Backbone, text: str, out: int, image_rate: float) -> None:
        super().__init__()
        self.crops = Crops(globals=1)
        self.backbone = backbone
        self.side = side_begun(text, backbone.dim, out)
        self.rates = {"backbone": image_rate}
        if not image_rate:
            backbone.freeze_statistics()
            backbone.requires_grad_(False)

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        facts, share = taught_facts(at.options), (at.batch_size / BATCH) ** 0.5
        continues = Default(0.2, "a fifth of the text tower's, small steps keep what the weights know")
        if facts:
            continues = Default(1.0, "both towers go on from weights")
            rate = Default(GENTLE * share, f"{GENTLE:g} x sqrt(batch / {BATCH}): the text tower goes on from weights")
        else:
            rate = Default(RATE * share, f"{RATE:g} x sqrt(batch / {BATCH}): the text tower starts anew")
        rates = {"lr": rate} if at.optimiser in ("auto", "adamw") else {}
        image = continues if at.continues else Default(1.0, "the image tower starts anew" if facts else "both towers start anew")
        space = {"options.out": Default(facts["out"], "as wide as the space of the text tower's file")} if facts else {}
        return {"options.image_rate": image, **rates, **space}

    @classmethod
    def check(cls, options: Mapping[str, Any], at: Situation) -> None:
        facts = taught_facts(options)
        if facts and options.get("out") != facts["out"]:
            raise RecipeError(
                f"pretrain.options.out: {options.get('out')}, and the text tower's file has a space of {facts['out']}; leave it out."
            )

    def forward(self, views: Views) -> Step:
        assert views.text is not None, "captions are missing"
        pooled = self.backbone.embed(views.globals)
        images, texts = self.side.images(pooled), self.side.texts(views.text)
        loss = self.loss(images, texts, same_captions(views.text, self.side.tower.tokenizer.padding))
        alike = similarities(images, texts)
        logs = {name: alike[name] for name in ("positive_similarity", "negative_similarity")}
        logs["pair_separation"] = alike["separation"]  # 0 at first, as the two towers begin unrelated: no sign of a collapse
        logs |= {"image_std": alike["projection_std"], "text_std": unit_std(texts), "scale": self.loss.log_scale.detach().exp()}
        return Step(loss, logs, pooled.detach())

    def exported_text(self) -> TextSide:
        bias = getattr(self.loss, "bias", None)
        return self.side.calibrated(float(self.loss.log_scale.detach().exp()), 0.0 if bias is None else float(bias.detach()))


def same_captions(numbers: Tensor, padding: int) -> Tensor:
    """(N,) integers of captions (N, L), equal where the captions are, on every process and however much `padding` follows them."""
    seen = torch.zeros(len(numbers), dtype=torch.int64, device=numbers.device)
    for column in numbers.flip(1).T:
        seen = torch.where((column == padding) & (seen == 0), seen, seen * KNUTH + column + 1)  # of 64 bits, sums wrap round
    return seen


def taught_facts(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the weight file says that `text` names (`facts_of`); empty where it names none."""
    file = taught_file(str(options.get("text", "small")))
    return facts_of(file) if file else {}
