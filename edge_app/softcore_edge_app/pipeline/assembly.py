"""Assembly: makes a station that is ready to start from a configuration."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path

from softcore_runtime import Inspector
from softcore_runtime.cli.bundle_choice import choose_bundle

from softcore_edge_app.cameras.addresses import hide_password
from softcore_edge_app.cameras.registry import make_source
from softcore_edge_app.configuration.options import CameraOptions, Configuration
from softcore_edge_app.configuration.overlaps import find_overlaps
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.pipeline.camera_pipeline import CameraPipeline
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import SharedInspectors

__all__ = ["assemble", "is_live"]


def assemble(configuration: Configuration) -> InspectionStation:
    """Check the sources, load and test the bundles, and open the ledger of a station.

    Raises:
        UsageError: something that is configured doesn't exist.
        BundleError: a bundle that can't be used.
        LedgerError: a ledger that can't be written.
        SourceError: a folder without images.
    """
    cameras = configuration.cameras or {_name_camera(configuration): configuration}
    # One camera of several that is switched off must not stop the others.
    sources = {name: make_source(options, required=len(cameras) == 1) for name, options in cameras.items()}
    paths = {name: _choose_bundles(options) for name, options in cameras.items()}
    for _, error in find_overlaps(configuration):
        raise error
    load = partial(
        Inspector.load,
        engine=configuration.engine,
        provider=configuration.provider,
        threads=configuration.threads,
        trust=configuration.trust.trust if configuration.trust else None,
    )
    inspectors = SharedInspectors(load, len(cameras))
    recipes = {name: Recipes(paths[name], inspectors, unchecked=configuration.unchecked) for name in cameras}
    for name, source in sources.items():
        source.follow_white(partial(_find_white, recipes[name]))
    ledger = Ledger.open(configuration.ledger) if configuration.ledger else None
    station, run = InspectionStation(LedgerWriter(ledger)), secrets.token_hex(8)
    for number, (name, options) in enumerate(cameras.items()):
        station.add_pipeline(
            CameraPipeline(
                name,
                number,
                sources[name],
                recipes[name],
                options,
                f"{run}-{number + 1}" if configuration.cameras else run,
                station.wake_publisher,
                fast=configuration.fast,
                frames=configuration.frames,
            )
        )
    return station


def is_live(station: InspectionStation) -> bool:
    """Return whether any camera is live: parts then pass whether or not anything waits for them."""
    return any(pipeline.source.live for pipeline in station.pipelines.values())


def _find_white(recipes: Recipes) -> int:
    """Return the white level of images of 16 bits, by the bundle in use."""
    return recipes.current.inspector.manifest.preprocessing.white


def _choose_bundles(options: CameraOptions) -> dict[str, Path]:
    if options.recipes:
        return {name: choose_bundle(bundle) for name, bundle in options.recipes.items()}
    path = choose_bundle(options.bundle)
    return {path.resolve().name: path}


def _name_camera(camera: CameraOptions) -> str:
    """Return a name for an unnamed camera: its source in UTF-8, without a password."""
    text = camera.source or camera.camera or ""
    name = text.split()[0] if " ! " in text else hide_password(text)
    return name.encode("utf-8", "backslashreplace").decode()
