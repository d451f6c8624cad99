"""Backbone: a network that computes patch features of crops, with its weights."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from softcore_runtime.errors import UsageError
from softcore_runtime.regular_file import hash_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from softcore_export.backbone.catalogue import FILTERBANK, demand_known
from softcore_export.backbone.filterbank import FilterBank
from softcore_export.weights_file import read_weights

__all__ = ["LoadedBackbone", "PatchFeatures", "coarsen_grid", "load_backbone", "reduce_dimensions"]

_LAYERS = ("layer2", "layer3")
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB


@dataclass(frozen=True)
class LoadedBackbone:
    """A backbone that is ready to be exported.

    Attributes:
        network: computes patch features.
        name: of the backbone.
        layers: whose features are joined, finest first.
        weights_sha256: of the weights' file; None without one.
    """

    network: nn.Module
    name: str
    layers: tuple[str, ...]
    weights_sha256: str | None


class PatchFeatures(nn.Module):
    """Computes patch features float32 `[B, P, d]` of uint8 BGR crops `[B, crop, crop, 3]`.

    Each layer is averaged over 3 x 3 patches (stride 1, padding 1), resampled bilinearly to the grid of the
    first one and joined to it: d is the sum of the layers' channels. See docs/explanation/method.md.

    Args:
        network: maps normalised RGB `[B, 3, crop, crop]` to named feature maps, finest first.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", 255 * torch.tensor(_DEVIATION).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """Compute the patch features of a batch."""
        rgb = crops.permute(0, 3, 1, 2).flip(1).float()
        maps = self.network((rgb - self.mean) / self.deviation)
        patches = [functional.avg_pool2d(layer, 3, stride=1, padding=1) for layer in maps.values()]
        height, width = patches[0].shape[-2:]
        joined = [patches[0]] + [
            functional.interpolate(layer, size=(height, width), mode="bilinear", align_corners=False)
            for layer in patches[1:]
        ]
        return torch.cat(joined, dim=1).flatten(2).transpose(1, 2)  # [B, P, d]


class _Reduced(nn.Module):
    """Projects another network's patch features to fewer dimensions, float32 `[B, P, count]`."""

    axes: Tensor

    def __init__(self, network: nn.Module, axes: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("axes", axes)

    def forward(self, crops: Tensor) -> Tensor:
        """Compute the patch features of a batch."""
        features: Tensor = self.network(crops)
        return features @ self.axes


def reduce_dimensions(network: nn.Module, axes: Tensor) -> nn.Module:
    """Project a network's features `[B, P, d]` onto orthonormal `axes` `[d, count]`, inside the network."""
    return _Reduced(network, axes)


class _Coarse(nn.Module):
    """Averages another network's patch features over a coarser grid, float32 `[B, coarse^2, d]`."""

    shares: Tensor

    def __init__(self, network: nn.Module, side: int, coarse: int) -> None:
        super().__init__()
        self.network = network
        self.side, self.coarse = side, coarse
        edges = torch.arange(coarse + 1, dtype=torch.float64) * side / coarse  # of the cells, in patches
        first = torch.arange(side, dtype=torch.float64)
        inside = torch.minimum(edges[1:, None], first + 1) - torch.maximum(edges[:-1, None], first)
        self.register_buffer("shares", (inside.clamp(min=0) * coarse / side).float())  # [coarse, side]

    def forward(self, crops: Tensor) -> Tensor:
        """Compute the patch features of a batch."""
        features: Tensor = self.network(crops)  # [B, side^2, d]
        dim = features.shape[2]
        rows = self.shares @ features.reshape(-1, self.side, self.side * dim)  # [B, coarse, side * d]
        cells = self.shares @ rows.reshape(-1, self.coarse, self.side, dim)  # [B, coarse, coarse, d]
        return cells.reshape(-1, self.coarse**2, dim)


def coarsen_grid(network: nn.Module, side: int, coarse: int) -> nn.Module:
    """Average a network's features `[B, side * side, d]` over `coarse` x `coarse` cells, inside the network.

    A cell that holds parts of patches takes the share of each that lies in it.

    Args:
        network: gives a square grid.
        side: rows, and columns, of its grid.
        coarse: of the coarser grid, 1 to `side`.

    Example:
        >>> identity = torch.nn.Identity()
        >>> coarse = coarsen_grid(identity, side=4, coarse=2)
        >>> coarse(torch.arange(16.0).reshape(1, 16, 1)).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """
    return _Coarse(network, side, coarse)


def load_backbone(
    name: str, weights: Path | None = None, layers: tuple[str, ...] = (), crop: int = 224
) -> LoadedBackbone:
    """Load a backbone with its weights, ready for inference.

    Args:
        name: `filterbank`, or a classification network of torchvision.
        weights: a state dict with torchvision's names, alone or in a checkpoint; layers that aren't used may
            be missing. None takes torchvision's own ImageNet weights.
        layers: names of torchvision's graph nodes; empty takes layer2 and layer3.
        crop: side of its input in pixels.

    Raises:
        UsageError: the network or a layer is unknown, or its weights can't be downloaded, read or used.
    """
    if name == FILTERBANK:
        if weights or layers:
            raise UsageError("--backbone filterbank has fixed filters: it takes no --weights and no --layers")
        bank = FilterBank()
        return LoadedBackbone(PatchFeatures(bank).eval(), name, bank.layers, None)
    demand_known(name, torchvision.models.list_models(module=torchvision.models))
    extractor, in_order = _cut(name, layers or _LAYERS, crop)
    path = weights or _download(name)
    _load_weights(extractor, path)
    return LoadedBackbone(PatchFeatures(extractor).eval(), name, in_order, hash_file(path))


def _cut(name: str, layers: tuple[str, ...], crop: int) -> tuple[nn.Module, tuple[str, ...]]:
    """Create a network of torchvision without weights, reduced to `layers`; return them finest first."""
    model = torchvision.models.get_model(name, weights=None).eval()
    nodes = get_graph_node_names(model)[1]
    for layer in layers:
        if not any(node == layer or node.startswith(f"{layer}.") for node in nodes):
            there = ", ".join(dict.fromkeys(node.split(".")[0] for node in nodes))
            raise UsageError(f"--layers {layer}: {name} has no such layer; it has {there}")
    network: nn.Module = create_feature_extractor(model, list(layers))
    try:
        with torch.no_grad():
            maps = network(torch.zeros(1, 3, crop, crop))
    except (AssertionError, RuntimeError) as error:
        raise UsageError(f"--backbone {name} takes no input of {crop} pixels ({error})") from error
    for layer, value in maps.items():
        # The input is square, so a grid is, too; maps of some transformers have their channels last.
        if value.ndim != 4 or value.shape[2] != value.shape[3]:
            raise UsageError(f"--layers {layer}: not a feature map, its output is {list(value.shape)}")
    return network, tuple(maps)


def _download(name: str) -> Path:
    """Download torchvision's own weights into its cache, unless they are there; return their file."""
    choices = torchvision.models.get_model_weights(name)
    # The weights of the first ImageNet recipe, which PatchCore and SoftPatch were published with.
    chosen = getattr(choices, "IMAGENET1K_V1", None) or choices.DEFAULT
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch prints about the download
            chosen.get_state_dict(progress=True, check_hash=True)
    except (OSError, URLError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"torchvision's weights of {name} can't be downloaded ({reason}); "
            "give a file with --weights FILE, or try out with --backbone filterbank"
        ) from error
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(chosen.url).name


def _load_weights(network: nn.Module, path: Path) -> None:
    # Not strict, because the counters of batches may be missing.
    network.load_state_dict(read_weights(path, network.state_dict()), strict=False)
