"""Filter bank: a backbone without weights, for trying SoftCore out where no network can be downloaded.

A small scattering network (Bruna and Mallat, 2013): complex oriented filters over a pyramid, the modulus
of their answers, local averages, and once more on the answers. Nothing in it is learned.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FilterBank"]

_ORIENTATIONS = 8
_SCALES = 3
_SIZE = 7  # pixels of a filter
_WAVELENGTH = 4.0  # pixels
_SIGMA = 1.6  # pixels
_GAIN = 6.7  # of texture against plain colour; by trial on images of several kinds


class FilterBank(nn.Module):
    """Two feature maps of normalised RGB `[B, 3, s, s]`: `order1` at stride 8, `order2` at stride 16."""

    layers = ("order1", "order2")
    opponent: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("opponent", _opponent_colours())
        self.register_buffer("filters", _oriented_filters())

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        """Compute both maps: order1 `[B, 3 + 3 * 3 * 8, s/8, s/8]`, order2 `[B, 2 * 64, s/16, s/16]`."""
        colour = functional.conv2d(rgb, self.opponent)  # [B, 3, s, s]
        first = [functional.avg_pool2d(colour, 8)]
        second = []
        level = colour
        for scale in range(_SCALES):
            answers = self._answer(level)  # [B, 3 * 8, ...]
            first.append(_average(answers, 8 >> scale))
            if scale < _SCALES - 1:
                light = functional.avg_pool2d(answers[:, :_ORIENTATIONS], 2)
                second.append(_average(self._answer(light), 8 >> scale))
            level = functional.avg_pool2d(level, 2)
        return {"order1": torch.cat(first, dim=1), "order2": torch.cat(second, dim=1)}

    def _answer(self, maps: Tensor) -> Tensor:
        """Filter every channel in every orientation, take the modulus: `[B, c, h, w]` to `[B, 8 c, h, w]`."""
        channels = maps.shape[1]
        padded = functional.pad(maps, (_SIZE // 2,) * 4, mode="replicate")
        waves = functional.conv2d(padded, self.filters.repeat(channels, 1, 1, 1), groups=channels)
        parts = waves.reshape(-1, channels, 2, _ORIENTATIONS, *maps.shape[2:])
        # Below the floor is only rounding, where the light is flat; by its root, engines would differ there.
        modulus: Tensor = parts.square().sum(dim=2).clamp(min=1e-8).sqrt()
        return modulus.flatten(1, 2)


def _average(answers: Tensor, side: int) -> Tensor:
    """Average over squares; the root lets a faint scratch count beside a strong edge."""
    return _GAIN * functional.avg_pool2d(answers, side).sqrt()


def _opponent_colours() -> Tensor:
    """Light, red against green, and yellow against blue, from RGB: `[3, 3, 1, 1]`."""
    rows = torch.tensor([[1, 1, 1], [1, -1, 0], [0.5, 0.5, -1]]) / torch.tensor([[3.0], [2.0], [2.0]])
    return rows.view(3, 3, 1, 1)


def _oriented_filters() -> Tensor:
    """Make Gabor filters without answer to constant light: real then imaginary parts, `[2 * 8, 1, 7, 7]`."""
    steps = torch.arange(_SIZE, dtype=torch.float64) - _SIZE // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    window = torch.exp(-(x.square() + y.square()) / (2 * _SIGMA**2))
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for turn in range(_ORIENTATIONS):
        angle = math.pi * turn / _ORIENTATIONS
        phase = 2 * math.pi / _WAVELENGTH * (x * math.cos(angle) + y * math.sin(angle))
        for part, wave in zip(parts, (torch.cos(phase), torch.sin(phase)), strict=True):
            even = window * (wave - (window * wave).sum() / window.sum())
            part.append(even / even.abs().sum())
    return torch.stack([*parts[0], *parts[1]]).unsqueeze(1).float()
