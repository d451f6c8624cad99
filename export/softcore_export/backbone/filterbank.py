"""Filter bank: a backbone without weights, for trying SoftCore out where no network can be downloaded.

A small scattering network (Bruna and Mallat, 2013): complex oriented filters over a pyramid, the modulus
of their responses, local averages, and the same again on the responses. Nothing in it is learned.
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
_GAIN = 6.7  # weight of texture relative to plain colour, tuned on images of several kinds


class FilterBank(nn.Module):
    """Computes two maps of normalised RGB `[B, 3, s, s]`: `order1` at stride 8, `order2` at stride 16."""

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
            responses = self._filter(level)  # [B, 3 * 8, ...]
            first.append(_average(responses, 8 >> scale))
            if scale < _SCALES - 1:
                light = functional.avg_pool2d(responses[:, :_ORIENTATIONS], 2)
                second.append(_average(self._filter(light), 8 >> scale))
            level = functional.avg_pool2d(level, 2)
        return {"order1": torch.cat(first, dim=1), "order2": torch.cat(second, dim=1)}

    def _filter(self, maps: Tensor) -> Tensor:
        """Compute the modulus of every channel's response in every orientation, `[B, 8 c, h, w]`."""
        channels = maps.shape[1]
        padded = functional.pad(maps, (_SIZE // 2,) * 4, mode="replicate")
        waves = functional.conv2d(padded, self.filters.repeat(channels, 1, 1, 1), groups=channels)
        parts = waves.reshape(-1, channels, 2, _ORIENTATIONS, *maps.shape[2:])
        # Where the light is flat there is only rounding, whose root would differ between engines: clamp it.
        modulus: Tensor = parts.square().sum(dim=2).clamp(min=1e-8).sqrt()
        return modulus.flatten(1, 2)


def _average(responses: Tensor, side: int) -> Tensor:
    """Average over squares; the root raises the weight of a faint scratch beside a strong edge."""
    return _GAIN * functional.avg_pool2d(responses, side).sqrt()


def _opponent_colours() -> Tensor:
    """Return the filter from RGB to light, red against green, and yellow against blue: `[3, 3, 1, 1]`."""
    rows = torch.tensor([[1, 1, 1], [1, -1, 0], [0.5, 0.5, -1]]) / torch.tensor([[3.0], [2.0], [2.0]])
    return rows.view(3, 3, 1, 1)


def _oriented_filters() -> Tensor:
    """Return Gabor filters without response to constant light, real then imaginary: `[2 * 8, 1, 7, 7]`."""
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
