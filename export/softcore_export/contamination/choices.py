"""Choices: a person's decisions about training images, by the content of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.errors import DataError, UsageError

__all__ = ["FILE", "Choice", "Choices", "choices_path", "read_choices", "write_choices"]

FILE = "choices.json"

Action = Literal["keep", "exclude", "exclude patches"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Choice(BaseModel):
    """A person's decision about an image.

    Attributes:
        action: `keep` or `exclude` all of the image, or `exclude patches`: the marked ones, and no others.
        grid: rows and columns of the grid on which patches were marked.
        patches: row and column of each marked patch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    grid: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    patches: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...] = ()

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

    def kept(self, grid: tuple[int, int]) -> NDArray[np.bool_]:
        """Return which patches stay, bool `[H, W]`; marks on another grid are resized to this one."""
        if self.action != "exclude patches" or self.grid is None:
            return np.full(grid, self.action == "keep")
        marked = np.zeros(self.grid, np.uint8)
        marked[tuple(np.array(self.patches).T)] = 1
        # Exclude every patch that a mark touches, so that no defect is kept on a finer or coarser grid.
        share = cv2.resize(marked.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
        return ~np.asarray(share, np.bool_)


class Choices(BaseModel):
    """All choices for a category, by the SHA-256 of the image's file: a renamed image keeps its choice."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    images: dict[Sha256, Choice] = Field(alias="pictures", default={})

    def apply(
        self, kept: NDArray[np.bool_], digests: Sequence[str], grid: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Apply the choices to the patches that the method keeps.

        Args:
            kept: bool `[N, P]`, by the method.
            digests: SHA-256 of the images' files, `[N]`.
            grid: rows and columns, P = H * W.

        Returns:
            bool `[N, P]`, with the choices.
        """
        chosen: NDArray[np.bool_] = np.array(kept)
        for row, digest in enumerate(digests):
            if digest in self.images:
                chosen[row] = self.images[digest].kept(grid).ravel()
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
        message = f"{path}: {place}{first['msg']}; correct it, or delete it to start without choices"
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
