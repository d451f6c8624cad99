"""Report data: the facts that the report is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import Manifest

from softcore_export.acceptance.taught_parts import TaughtPart
from softcore_export.alignment.alignment_choice import AlignmentChoice
from softcore_export.contamination.choices import Choices
from softcore_export.contamination.contamination import Contamination
from softcore_export.data.training_set import TrainingSet
from softcore_export.exam.outcome import ExamOutcome
from softcore_export.resolution.resolution_choice import ResolutionChoice

__all__ = ["ReportData"]


@dataclass(frozen=True, eq=False)
class ReportData:
    """What the report shows, of N images with P = H * W patches each.

    Attributes:
        manifest: the bundle's; its `files` may still be empty.
        contamination: how suspect each of the N images is.
        choices: what a person decided; may name images that aren't in the training set.
        images: the training images.
        patch_suspicion: float32 `[N, P]`, as multiples of the threshold: above 1 a patch is suspect.
        kept: bool `[N, P]`; False is excluded from the memory bank.
        origins: int32 `[n, 3]`, training image, row and column of each of the bank's entries.
        floors: float32 `[n]`, of the entries, in the unit of the manifest's threshold; 0 without floors.
        scores: float64 `[N]`, leave-one-image-out, in the unit of the manifest's threshold.
        seconds: wall time of each stage.
        resolution: what the resolution was chosen from; None where it was given.
        unvouched: number of entries that no image can corroborate, and whose floor is 0 therefore.
        alignment: how images are aligned, and why.
        taught: parts that a person has confirmed as defective, and how they are judged.
        exam: what the marked parts say of the bundle; None where there are none.

    Raises:
        ValueError: the arrays' shapes or the images don't agree.
    """

    manifest: Manifest
    contamination: Contamination
    choices: Choices
    images: TrainingSet
    patch_suspicion: NDArray[np.float32]
    kept: NDArray[np.bool_]
    origins: NDArray[np.int32]
    floors: NDArray[np.float32]
    scores: NDArray[np.float64]
    seconds: dict[str, float]
    unvouched: int = 0
    alignment: AlignmentChoice = field(default_factory=AlignmentChoice)
    resolution: ResolutionChoice | None = None
    taught: tuple[TaughtPart, ...] = ()
    exam: ExamOutcome | None = None

    def __post_init__(self) -> None:
        n, patches = len(self.images.paths), self.manifest.grid.height * self.manifest.grid.width
        arrays = (self.patch_suspicion, self.kept, self.origins, self.floors, self.scores)
        shapes = [list(a.shape) for a in arrays]
        entries = self.manifest.bank.n
        expected = [[n, patches], [n, patches], [entries, 3], [entries], [n]]
        if shapes != expected:
            raise ValueError(
                "patch_suspicion, kept, origins, floors and scores must be [N, P], [N, P], [n, 3], [n] and "
                f"[N] = {expected}, not {shapes}"
            )
        if sorted(self.images.names) != sorted(record.path for record in self.contamination.images):
            raise ValueError("contamination must list just the training images")
