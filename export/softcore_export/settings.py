"""Settings: everything except the images that a bundle depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.language.catalogue import Language

from softcore_export.alignment.alignment_request import AlignmentRequest
from softcore_export.windows.window_request import WindowRequest

__all__ = ["MOST_FLOOR", "ExportSettings"]

_USUAL_RATIO = 0.1  # of the coreset, the paper's
_USUAL_PATCHES = 28 * 28  # of a window of 224 pixels
MOST_FLOOR = 100.0  # far more than any use has; keeps floors finite in float32


class ExportSettings(BaseModel):
    """How to train; the defaults of `lof_k`, `tau` and `coreset_ratio` are the paper's.

    Attributes:
        backbone: a torchvision classification network, or `filterbank`.
        weights: a torchvision state dict; None takes torchvision's own.
        layers: the layers whose features are joined, finest first; empty takes the backbone's usual two.
        discriminator: how outliers are found: `auto` (see `softcore_export.contamination.estimate`); by the
            paper, with lof_k, tau and soft_weights, `lof` (local outlier factor), `nearest` (distance to the
            nearest other patch) or `gaussian` (Mahalanobis distance); or `none` (PatchCore).
        lof_k: neighbours of the local outlier factor, equations 4 to 6.
        tau: the share of patches that is excluded, those with the highest outlier factors.
        coreset_ratio: the coreset's size as a share of all patches; `auto` takes 0.1, and less on a grid
            that is finer than 28 x 28 (see `find_ratio`).
        sampler: how the coreset is drawn: `greedy` (k-centre), or `random`.
        soft_weights: scale distances by the outlier factors of the kept patches.
        floor: lambda: no entry gives a patch a lower score than this times the entry's own distance to other
            images (see `softcore_export.memory_bank.floors`); 0 is without floors. `auto` measures it for the
            discriminator `auto`, and is 0 for the others. Takes the place of soft weights.
        preprocessing: resize and crop; where `windows` ask for several, only the crop counts.
        windows: where images are inspected, and how closely; has no effect where `preprocessing` has windows.
        align: bring every part to its place in a reference first: `translation` (its position), `rigid` (its
            position and angle), or `none`; `auto` takes what makes training images more alike.
        resolution: `auto` measures which resize and crop pay (see `softcore_export.resolution`), and
            `preprocessing` counts for nothing; None takes those of `preprocessing`.
        budget: milliseconds that the network may take for a frame with `resolution="auto"`.
        grid: rows, and columns, of the grid to which each window's features are averaged; None leaves the
            network's own.
        engine: runs the network, here and on the line; `auto` takes the fastest that is installed.
        provider: device of the engine, here and on the line; `auto` takes CUDA where it works, and TensorRT
            only if it is named.
        precision: of the network; `auto` takes `bf16` where the engine and this CPU support it, which the
            export compares with `fp32`, else `fp32`.
        dimensions: of a random projection of the features inside the network; None keeps all.
        labelled: a folder of labelled images, `good` and others, on which the AUROC is measured.
        max_loss: image AUROC that a precision or fewer dimensions may lose on labelled images.
        no_worse: refuse a bundle that loses a marked part which the one before it decided rightly (see
            `softcore_export.exam.outcome`).
        seed: of every random choice.
        language: of the report; the source of a bundle doesn't keep it.
        sign: a private key's file, which signs the bundle; the source of a bundle doesn't keep it.
        device: of the discriminator and the coreset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = "wide_resnet50_2"
    weights: Path | None = None
    layers: tuple[str, ...] = ()
    discriminator: Literal["auto", "lof", "nearest", "gaussian", "none"] = "auto"
    lof_k: int = Field(default=6, ge=1)
    tau: float = Field(default=0.15, ge=0, lt=1)
    coreset_ratio: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] = "auto"
    sampler: Literal["greedy", "random"] = "greedy"
    soft_weights: bool = True
    floor: Literal["auto"] | Annotated[float, Field(ge=0, le=MOST_FLOOR, allow_inf_nan=False)] = "auto"
    preprocessing: Preprocessing = Preprocessing(resize=224, crop=224)
    windows: WindowRequest = WindowRequest()
    align: AlignmentRequest = "none"
    resolution: Literal["auto"] | None = None
    budget: float = Field(default=40.0, gt=0, allow_inf_nan=False)
    grid: int | None = Field(default=None, ge=2)
    engine: Literal["auto", "openvino", "onnxruntime"] = "auto"
    provider: Literal["auto", "tensorrt", "cuda", "cpu"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto"
    dimensions: int | None = Field(default=None, ge=8)
    labelled: Path | None = None
    max_loss: float = Field(default=0.005, ge=0, le=1)
    no_worse: bool = False
    seed: int = Field(default=0, ge=0, lt=2**32)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    language: Language = Field(default="en", exclude=True)
    sign: Path | None = Field(default=None, exclude=True)

    def find_ratio(self, patches: int = _USUAL_PATCHES) -> float:
        """Return the coreset's size as a share of all patches, for so many patches of a window.

        The size of a memory bank follows what there is to know, not the number of patches: neighbours on a
        fine grid tell nearly the same. On a finer grid than 28 x 28 `auto` keeps as many entries as on that
        (`benchmarks/RESOLUTION.md`).

        Example:
            >>> ExportSettings().find_ratio(28 * 28), ExportSettings().find_ratio(56 * 56)
            (0.1, 0.025)
            >>> ExportSettings(coreset_ratio=0.1).find_ratio(56 * 56)
            0.1
        """
        if self.coreset_ratio != "auto":
            return self.coreset_ratio
        return _USUAL_RATIO * min(1.0, _USUAL_PATCHES / patches)

    @property
    def weighs(self) -> bool:
        """Whether entries get soft weights.

        Example:
            >>> ExportSettings().weighs, ExportSettings(discriminator="lof").weighs
            (False, True)
        """
        return self.soft_weights and self.discriminator in ("lof", "nearest", "gaussian")

    @property
    def has_floors(self) -> bool:
        """Whether entries get floors.

        Example:
            >>> ExportSettings().has_floors, ExportSettings(discriminator="lof").has_floors
            (True, False)
        """
        return self.discriminator == "auto" if self.floor == "auto" else self.floor > 0

    @model_validator(mode="after")
    def _check_floor(self) -> ExportSettings:
        if self.has_floors and self.weighs:
            raise ValueError(f"floor {self.floor} and soft_weights exclude each other")
        return self
