"""Text towers and their files: as open_clip and transformers have it, and what is wrong with a file is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.errors import DataError, RecipeError
from labelfree.language import TextSide, load_towers
from labelfree.language.files import save_text_side
from labelfree.language.reading import text_file
from labelfree.language.text_towers import SIZES, FolderEncoder, SmallTransformer, TextTower, text_tower
from labelfree.language.tokens import BytePairs, without_padding

SAID = ["a field, a road and two ponds", "ein Hafen ⛵ 港にある船", "no finding", "", "many " * 100]


def tower() -> TextTower:
    torch.manual_seed(0)
    return text_tower("tiny")


def weights(folder: Path, side: TextSide | None, dim: int = 512) -> Path:
    """A weight file with or without a text side."""
    torch.manual_seed(0)
    backbone = build("resnet10t", 2)
    card = WeightCard("resnet10t", ("a", "b"), "stored", (1.0,) * 2, (0.0,) * 2, (0.0,) * 2, (1.0,) * 2, 32)
    file = save(backbone, card, folder / "backbone.safetensors")
    if side is not None:
        save_text_side(side, file, "clip")
    assert backbone.dim == dim
    return file


def test_the_tokenizer_is_open_clips() -> None:
    open_clip = pytest.importorskip("open_clip")
    numbers, lengths = BytePairs()(SAID)
    assert torch.equal(numbers, open_clip.tokenize(SAID))
    assert lengths.tolist()[2:] == [4, 2, 102] and (numbers[4] != 0).all()
    assert torch.equal(without_padding(numbers[:3], 0), numbers[:3, : int(lengths[:3].max())])


def test_the_tower_is_open_clips_however_little_padding_there_is() -> None:
    made = tower().eval()
    assert isinstance(made, SmallTransformer)
    numbers = made.tokenizer(SAID).numbers
    with torch.no_grad():
        whole = made.net(numbers)
        assert_close(made(numbers), whole)
        for row, said in zip(numbers, whole, strict=True):
            assert_close(made(without_padding(row[None], 0))[0], said, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_towers(name: str) -> None:
    with torch.device("meta"):
        made = text_tower(name)
    assert made.dim == SIZES[name]["width"] and made.told == {"kind": "open_clip", "longest": 77, **SIZES[name]}


def test_both_towers_come_back_as_they_were_saved(tmp_path: Path) -> None:
    side = TextSide(512, tower(), 24).calibrated(20.0, -3.0)
    file = weights(tmp_path, side)
    loaded = load_towers(tmp_path)
    assert (loaded.dim, loaded.scale, loaded.bias) == (24, 20.0, -3.0)
    assert_close(loaded.embed_texts(SAID), side.eval().embed(SAID), rtol=0, atol=0)
    images = torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    found = load_towers(file).embed(images)
    with torch.no_grad():
        assert_close(found, F.normalize(side.images(loaded.backbone.embed(images)), dim=-1))
    assert_close(found.norm(dim=1), torch.ones(3))
    assert loaded.embed_texts([]).shape == (0, 24)


def test_an_encoder_of_ones_own_comes_along_in_the_file(tmp_path: Path) -> None:
    folder = encoder(tmp_path / "encoder")
    made = text_tower(str(folder))
    assert isinstance(made, FolderEncoder) and made.dim == 16
    side = TextSide(512, made, 8)
    file = weights(tmp_path, side)
    for path in folder.iterdir():
        path.unlink()
    assert str(folder).encode() not in text_file(file).read_bytes(), "the file tells nothing of the machine"
    found = load_towers(file).embed_texts(["a field", "a road", "a field a road a field", "field " * 40])
    assert_close(found, side.eval().embed(["a field", "a road", "a field a road a field", "field " * 40]))
    assert not torch.allclose(found[0], found[1]) and side.tower.tokenizer(["field " * 40]).lengths.tolist() == [42]


def encoder(folder: Path) -> Path:
    """A text encoder as transformers saves it: two layers, five words."""
    transformers = pytest.importorskip("transformers")
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "field", "road"]), encoding="utf-8")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5, "field": 6, "road": 7}
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 20}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **size)).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab=words).save_pretrained(folder)
    return folder


def test_what_is_no_tower_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pretrain.options.text: 'huge' is no size \(tiny, small, medium, base\) and no folder"):
        text_tower("huge")
    with pytest.raises(
        DataError, match=r"has no text tower \(backbone.text.safetensors is not beside it\).*pretrain.objective=clip or siglip"
    ):
        load_towers(weights(tmp_path, None))
    file = weights(tmp_path, TextSide(256, tower(), 8))
    with pytest.raises(DataError, match="gives 512 numbers an image, its text tower was taught beside 256"):
        load_towers(file)
    text_file(file).write_bytes(b"\x00" * 100)
    with pytest.raises(DataError, match="is no text tower that this version reads"):
        load_towers(file)


def test_a_folder_without_an_encoder_is_said(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(RecipeError, match="holds no text encoder"):
        text_tower(str(tmp_path))
