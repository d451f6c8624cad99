"""Overlaps: folders that a line would write to and, at its next start, inspect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from softcore_runtime import SoftCoreError, UsageError

from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.options import CameraOptions, Configuration

__all__ = ["Absence", "find_overlaps", "list_cameras"]

Absence = tuple[Place, SoftCoreError]  # the key that names something missing or unusable, and why


def list_cameras(configuration: Configuration) -> Iterator[tuple[Place, CameraOptions]]:
    """List the cameras of a line with the place of their keys: the top of the file for a single camera."""
    if not configuration.cameras:
        yield (), configuration
    for name, camera in configuration.cameras.items():
        yield ("cameras", name), camera


def find_overlaps(configuration: Configuration) -> Iterator[Absence]:
    """Find folders that a line writes to and would inspect at its next start."""
    archive = configuration.archive and configuration.archive.folder
    written = {("save_overlays",): configuration.save_overlays, ("archive", "folder"): archive}
    for _, camera in list_cameras(configuration):
        source = Path(camera.source or "")
        if not camera.source or not source.is_dir():
            continue
        for key, folder in written.items():
            if folder and folder.resolve().is_relative_to(source.resolve()):
                what = "--save-overlays" if key == ("save_overlays",) else "archive.folder"
                yield (
                    key,
                    UsageError(
                        f"{what} {folder}: lies in --source {source}; the next run would inspect what is "
                        "written there"
                    ),
                )
