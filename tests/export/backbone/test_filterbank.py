from __future__ import annotations

import numpy as np
import pytest
import torch
from softcore_export.backbone import filterbank
from softcore_export.backbone.filterbank import FilterBank


def answer(rgb: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return dict(FilterBank().eval()(rgb))


@pytest.mark.parametrize("side", [32, 64, 224])
def test_shapes(side: int) -> None:
    maps = answer(torch.randn(2, 3, side, side))
    assert tuple(maps) == FilterBank.layers
    first, second = maps.values()
    assert first.dtype == second.dtype == torch.float32
    assert first.shape[0] == second.shape[0] == 2
    assert first.shape[2:] == (side // 8, side // 8)
    assert second.shape[2] == second.shape[3] <= side // 8
    assert torch.isfinite(first).all()
    assert torch.isfinite(second).all()


def test_nothing_is_learned_or_drawn() -> None:
    assert list(FilterBank().parameters()) == []
    rgb = torch.randn(1, 3, 64, 64)
    for layer, values in answer(rgb).items():
        torch.testing.assert_close(values, answer(rgb)[layer], rtol=0, atol=0)


def test_constant_light_has_no_oriented_answer() -> None:
    filters = filterbank._oriented_filters()
    np.testing.assert_allclose(filters.sum(dim=(1, 2, 3)), 0, atol=1e-6)
    assert (filters.abs().sum(dim=(1, 2, 3)) > 0.5).all()
    # Over all: what is left of a constant image are its colours and the guard under the root.
    flat = answer(torch.full((1, 3, 64, 64), 2.0))
    x = torch.arange(64.0)
    waves = answer(2 + torch.sin(2 * torch.pi * x / 4).expand(1, 3, 64, 64))
    assert flat["order1"][:, 3:].abs().max() < 0.02 * waves["order1"][:, 3:].abs().max()
