"""Films as networks that read photographs see them: by percentiles of each, the same alone, in a batch, and in an exported graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical.previews import ENDS, render
from torch.testing import assert_close


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**16))
def test_percentiles_are_those_of_numpy(batch: int, height: int, width: int, seed: int) -> None:
    x = torch.randn(batch, 1, height, width, generator=torch.Generator().manual_seed(seed)) * 300
    shown = render(x, ("x",), "arbitrary", None)
    low, high = np.quantile(x.flatten(1).double().numpy(), ENDS, axis=1)
    expected = (x.double().numpy() - low[:, None, None, None]) / np.maximum(high - low, 1e-6)[:, None, None, None]
    assert shown is not None and shown.shape == (batch, 3, height, width)
    if height * width > 1:
        assert_close(shown[:, :1].double().numpy(), expected, rtol=1e-3, atol=1e-4)


def test_what_was_not_measured_moves_no_percentile() -> None:
    x = torch.randn(2, 1, 30, 20, generator=torch.Generator().manual_seed(0))
    measured = torch.rand(2, 30, 20, generator=torch.Generator().manual_seed(1)) > 0.4
    filled = torch.where(measured[:, None], x, torch.tensor(-5000.0))
    one, other = (render(each, ("x",), "arbitrary", None, measured) for each in (x, filled))
    assert one is not None and other is not None
    assert_close(one[measured[:, None].expand_as(one)], other[measured[:, None].expand_as(other)])
    nothing = render(x, ("x",), "arbitrary", None, torch.zeros_like(measured))
    assert nothing is not None and nothing.isfinite().all()


def test_a_graph_for_any_size_shows_the_same(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    class Shown(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            found = render(pixels, ("x",), "arbitrary", None)
            assert found is not None
            return found

    Dim = torch.export.Dim
    free = {0: Dim("batch", min=1, max=64), 2: Dim("height", min=2, max=4096), 3: Dim("width", min=2, max=4096)}
    captured = torch.export.export(Shown(), (torch.randn(2, 1, 21, 37),), dynamic_shapes=(free,))
    made = torch.onnx.export(captured, dynamo=True, verbose=False)
    assert made is not None
    made.save(str(tmp_path / "shown.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "shown.onnx"))
    for shape in ((1, 1, 33, 70), (3, 1, 8, 5)):
        x = torch.randn(*shape, generator=torch.Generator().manual_seed(2)) * 100
        (said,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert_close(torch.from_numpy(said), Shown()(x), rtol=1e-4, atol=1e-5)
