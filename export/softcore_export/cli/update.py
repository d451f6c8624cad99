"""Update: exports a bundle anew by what it was exported from, with the images that a person has added."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from softcore_runtime.cli.checks import gather_mistakes
from softcore_runtime.errors import UsageError
from softcore_runtime.language.catalogue import choose_language

from softcore_export.cli.preflight import ExportRequest, check_key, check_network
from softcore_export.contamination.choices import choices_path, read_choices
from softcore_export.contamination.contamination import Contamination
from softcore_export.data.confirmed_images import find_confirmed
from softcore_export.data.dataset import TrainingImages, hash_if_readable
from softcore_export.data.labelled_images import find_labelled
from softcore_export.settings import ExportSettings
from softcore_export.source import BundleSource, read_source
from softcore_export.staging_directory import check_target

__all__ = ["check_update", "describe_source"]

# What may be given beside it, by `dest`.
_TAKEN = {"update", "good", "bad", "labels", "no_worse", "accept", "review", "language", "sign", "debug"}


def check_update(options: argparse.Namespace, defaults: argparse.Namespace) -> ExportRequest:
    """Check the options beside `--update`, and return what they and the bundle's source ask for.

    Args:
        options: as they were given.
        defaults: the same where nothing is given.

    Raises:
        UsageError: mistakes of the user, all that were found.
        SoftCoreError: there is only one fault, of another kind.
    """
    target = options.update
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in vars(options).items()
        if name not in _TAKEN and value != getattr(defaults, name, None)
    ]
    if given:
        raise UsageError(
            f"--update {target}: takes the settings of that bundle; leave out {', '.join(given)}"
        )
    check_target(target)
    source = read_source(target)
    source.demand_places(target)
    settings = source.settings.model_copy(
        update={
            "no_worse": not options.accept,
            "language": choose_language(options.language),
            "sign": options.sign,
        }
    )
    labelled = None
    good = _join(source.good, options.good)
    bad, labels = _join(source.bad, options.bad), _join(source.labels, options.labels)
    with gather_mistakes() as attempt:
        with attempt():
            check_key(options.sign)
        with attempt():
            check_network(
                settings.backbone, settings.weights, settings.layers, settings.engine, settings.provider,
                settings.precision, settings.device,
            )  # fmt: skip
        with attempt():
            if settings.labelled:
                labelled = find_labelled(settings.labelled)
        with attempt():
            read_choices(choices_path(target))
        with attempt():
            confirmed = find_confirmed(good, bad, labels)
    images = TrainingImages.find(source.folder, source.max_images).confirm(confirmed)
    source.demand_images(
        target,
        [hash_if_readable(path) for path in images.paths],
        [confirmed.digests[path] for path in confirmed.bad],
    )
    return ExportRequest(
        settings, source.folder, images, source.max_images, labelled, confirmed, target, good, bad, labels
    )


def describe_source(request: ExportRequest, fingerprint: str, found: Contamination) -> BundleSource:
    """Return what a bundle was exported from.

    Args:
        request: the export.
        fingerprint: of its training images.
        found: what it found out about them.
    """
    confirmed = request.confirmed
    return BundleSource(
        fingerprint=fingerprint,
        folder=request.folder.absolute(),
        max_images=request.max_images,
        good=_join(request.good),
        bad=_join(request.bad),
        labels=_join(request.labels),
        settings=_make_absolute(request.settings),
        images={image.sha256: image.path for image in sorted(found.images, key=lambda image: image.path)},
        defects={confirmed.digests[path]: path.name for path in confirmed.bad},
    )


def _join(*places: Sequence[Path]) -> tuple[Path, ...]:
    """Return places, absolute, each once."""
    return tuple(dict.fromkeys(place.absolute() for some in places for place in some))


def _make_absolute(settings: ExportSettings) -> ExportSettings:
    """Return the settings with paths that don't depend on the working folder."""
    windows = settings.windows
    if windows.roi_image:
        windows = windows.model_copy(update={"roi_image": windows.roi_image.absolute()})
    paths = {name: getattr(settings, name) for name in ("weights", "labelled")}
    absolute = {name: path and path.absolute() for name, path in paths.items()}
    # An update refuses what loses a part in any case.
    return settings.model_copy(update={"windows": windows, "no_worse": False, **absolute})
