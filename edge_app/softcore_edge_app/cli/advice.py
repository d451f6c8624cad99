"""Advice: settings of a configuration that are valid, but probably not meant."""

from __future__ import annotations

from collections.abc import Iterator

from softcore_edge_app.cameras.addresses import is_address
from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.options import CameraOptions, Configuration
from softcore_edge_app.configuration.overlaps import list_cameras

__all__ = ["Advice", "give_advice"]

Advice = tuple[Place, str]  # the key, and the advice


def give_advice(configuration: Configuration) -> Iterator[Advice]:
    """Find settings that are valid, but probably not meant; nothing is opened."""
    for place, camera in list_cameras(configuration):
        if _lacks_latency(camera):
            yield (
                (*place, "latency"),
                "not set, so 0 s; a stream's frames come later than the moment that they show, and a trigger "
                "may get a frame of the part before. Measure it (docs/reference/configuration.md)",
            )


def _lacks_latency(camera: CameraOptions) -> bool:
    streams = camera.source is not None and is_address(camera.source)
    return streams and camera.trigger != "auto" and "latency" not in camera.model_fields_set
