"""Choices: a person's decisions about training images, by the content of their files, and the region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.images.windows import Region

from softcore_export.windows.drawn_region import DrawnRegion

__all__ = ["FILE", "Choice", "Choices", "choices_path", "read_choices", "write_choices"]

FILE = "choices.json"
_ROUNDING = 1e-6  # of a patch; shares of a frame are rounded

Action = Literal["keep", "exclude", "exclude patches"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Choice(BaseModel):
    """A person's decision about an image.

    Attributes:
        action: `keep` or `exclude` all of the image, or `exclude patches`: the marked ones, and no others.
        grid: rows and columns of the grid on which patches were marked.
        patches: row and column of each marked patch.
        place: what of the frame the grid covers; None where that isn't known, and taken to
            be the same as now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    grid: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    patches: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...] = ()
    place: Region | None = None

    @model_validator(mode="after")
    def _patches_lie_on_the_grid(self) -> Choice:
        if self.patches and self.action != "exclude patches":
            raise ValueError(f"{self.action} takes no patches")
        if self.action == "exclude patches" and not self.patches:
            raise ValueError("exclude patches needs patches")
        if self.patches and self.grid is None:
            raise ValueError("patches need a grid")
        if self.grid and any(row >= self.grid[0] or column >= self.grid[1] for row, column in self.patches):
            raise ValueError(f"a patch lies outside the grid of {self.grid[0]} x {self.grid[1]}")
        return self

    def kept(self, grid: tuple[int, int], place: Region | None = None) -> NDArray[np.bool_]:
        """Return which patches stay, bool `[H, W]`.

        Args:
            grid: rows and columns, H and W.
            place: what of the frame that grid covers.

        Example:
            >>> choice = Choice(action="exclude patches", grid=(1, 2), patches=((0, 1),), place=Region())
            >>> choice.kept((1, 4), Region(x=0.25, y=0, width=0.5, height=1))
            array([[ True,  True, False, False]])
        """
        if self.action != "exclude patches" or self.grid is None:
            return np.full(grid, self.action == "keep")
        old, new = self.place or place or Region(), place or self.place or Region()
        start, side = np.array([old.y, old.x]), np.array([old.height, old.width])
        new_start, new_side = np.array([new.y, new.x]), np.array([new.height, new.width])
        corners = np.array(self.patches)[:, None] + np.array([[0, 0], [1, 1]])  # [marks, 2, 2]
        corners = (start + corners / self.grid * side - new_start) / new_side * grid
        # Exclude every patch that a mark touches, so that no defect is kept on a finer or coarser grid.
        first = np.floor(corners[:, 0] + _ROUNDING).clip(0, grid).astype(int)
        beyond = np.ceil(corners[:, 1] - _ROUNDING).clip(0, grid).astype(int)
        kept = np.ones(grid, np.bool_)
        for (top, left), (bottom, right) in zip(first, beyond, strict=True):
            kept[top:bottom, left:right] = False
        return kept


class Choices(BaseModel):
    """All choices for a category.

    Attributes:
        images: by the SHA-256 of the image's file, so that a renamed image keeps its choice.
        region: what is inspected, unless the command line says it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    images: dict[Sha256, Choice] = Field(alias="pictures", default={})
    region: DrawnRegion = DrawnRegion()

    def confirm(self, digests: Iterable[str]) -> Choices:
        """Return the choices with images that a person has confirmed as good elsewhere: they are kept.

        Patches that were marked in one of them stay marked.

        Example:
            >>> Choices().confirm(["0" * 64]).images["0" * 64].action
            'keep'
        """
        marked = {digest for digest, choice in self.images.items() if choice.action == "exclude patches"}
        kept = {digest: Choice(action="keep") for digest in sorted(digests) if digest not in marked}
        return self.model_copy(update={"images": {**self.images, **kept}}) if kept else self

    def find_known(self, digests: Sequence[str]) -> NDArray[np.int8]:
        """Return what a person has said of images, int8 `[N]`: 1 is good, -1 is defective, 0 is nothing.

        Args:
            digests: SHA-256 of the images' files, `[N]`.

        Example:
            >>> Choices().confirm(["0" * 64]).find_known(["0" * 64, "1" * 64])
            array([1, 0], dtype=int8)
        """
        signs = {"keep": 1, "exclude": -1, "exclude patches": -1}
        known = [signs[self.images[digest].action] if digest in self.images else 0 for digest in digests]
        return np.array(known, np.int8)

    def apply(
        self,
        kept: NDArray[np.bool_],
        digests: Sequence[str],
        grid: tuple[int, int],
        place: Region | None = None,
    ) -> NDArray[np.bool_]:
        """Apply the choices to the patches that the method keeps.

        Args:
            kept: bool `[N, P]`, by the method.
            digests: SHA-256 of the images' files, `[N]`.
            grid: rows and columns, P = H * W.
            place: what of the frame the grid covers; None takes that on which patches were marked.

        Returns:
            bool `[N, P]`, with the choices.
        """
        chosen: NDArray[np.bool_] = np.array(kept)
        for row, digest in enumerate(digests):
            if digest in self.images:
                chosen[row] = self.images[digest].kept(grid, place).ravel()
        return chosen


def choices_path(target: Path) -> Path:
    """Return the file beside a bundle from which the category's next export reads choices."""
    return target.with_name(f"{target.name}.{FILE}")


def read_choices(path: Path) -> Choices:
    """Read choices; a missing file holds none.

    Raises:
        DataError: the file is damaged.
    """
    try:
        return Choices.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return Choices()
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        message = f"{path}: {place}{told}; correct it, or delete it to start without choices"
        raise DataError(message) from error


def write_choices(path: Path, choices: Choices) -> None:
    """Write choices atomically, also if the power fails.

    Raises:
        UsageError: the folder can't be written.
    """
    try:
        write_atomically(path, choices.model_dump_json(indent=2, exclude_defaults=True, by_alias=True) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: can't be written ({error.strerror})") from error
