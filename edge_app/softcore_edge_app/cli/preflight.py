"""Preflight: whether what a configuration names exists; no camera is opened, no machine is contacted."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path

from softcore_runtime import (
    BundleCorruptError,
    LedgerError,
    MissingLibraryError,
    SoftCoreError,
    SourceError,
    UsageError,
)
from softcore_runtime.backends.engine import choose_engine
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.cli.bundle_choice import choose_bundle
from softcore_runtime.signing.trust import Trust

from softcore_edge_app.cameras.devices import find_device
from softcore_edge_app.cameras.registry import make_source
from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.mistakes import ConfigurationError
from softcore_edge_app.configuration.options import CameraOptions, Configuration, MqttOptions, PostgresOptions
from softcore_edge_app.configuration.overlaps import Absence, find_overlaps, list_cameras
from softcore_edge_app.web.people.people_file import read_people
from softcore_edge_app.web.port.listener import listen
from softcore_edge_app.web.port.token_file import find_place, read_token

__all__ = ["find_absences", "require_presence"]

_SEEN = 20  # images of a folder that are tried; one of them must be readable
_SQLITE = b"SQLite format 3\0"


def require_presence(configuration: Configuration) -> None:
    """Check what would be refused after bundles have been loaded, which takes seconds.

    Raises:
        ConfigurationError: several things are missing.
        SoftCoreError: one is.
    """
    errors = [error for _, error in find_absences(configuration, closely=False)]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigurationError([str(error) for error in errors])


def find_absences(
    configuration: Configuration, *, closely: bool = True, wrong: Collection[Place] = ()
) -> Iterator[Absence]:
    """Find what is missing: bundles, sources, devices, files of secrets, places to write to, the port.

    Args:
        configuration: names them.
        closely: whether to check the contents of sources and bundles, devices and libraries, too: a line
            reports these by itself, some of them as INVALID frames.
        wrong: keys that were left out of the configuration, and so name nothing.
    """
    for place, error in _check_everything(configuration, closely):
        if place not in wrong and not (place[0] != "cameras" and ("cameras",) in wrong and len(place) == 1):
            yield place, error


def _check_everything(configuration: Configuration, closely: bool) -> Iterator[Absence]:
    trust = configuration.trust.trust if configuration.trust else None
    for place, camera in list_cameras(configuration):
        yield from _check_source(place, camera, closely)
        yield from _check_bundles(place, camera, closely, trust)
    yield from _check_places(configuration)
    yield from _check_port(configuration)
    for name, table in (("mqtt", configuration.mqtt), ("postgres", configuration.postgres)):
        if table:
            yield from _check_secrets(name, table)
    if closely:
        yield from _check_libraries(configuration)


def _check_source(place: Place, camera: CameraOptions, closely: bool) -> Iterator[Absence]:
    if camera.camera is not None:
        place, device = (*place, "camera"), camera.camera
        fault = _try(lambda: make_source(camera))
        if closely:
            fault = fault or _try(lambda: find_device(device))
    elif camera.source is None:
        return
    else:
        place = (*place, "source")
        fault = _try(lambda: _try_frames(camera) if closely else make_source(camera))
    if fault:
        yield place, fault


def _try_frames(camera: CameraOptions) -> None:
    """Read frames of a recording until one shows that it can be read; of a live source none."""
    source = make_source(camera)
    if source.live:
        return
    reasons = []
    with closing(source.read_frames()) as frames:
        for frame in islice(frames, _SEEN):
            if frame.image is not None:
                return
            reasons.append(f"{frame.name}: {frame.reason}")
    which = f"none of its first {len(reasons)} images can be read; " if len(reasons) > 1 else ""
    raise SourceError(f"{which}{reasons[0]}")


def _check_bundles(
    place: Place, camera: CameraOptions, closely: bool, trust: Trust | None
) -> Iterator[Absence]:
    given: dict[Place, str | None] = {("recipes", name): bundle for name, bundle in camera.recipes.items()}
    for key, bundle in (given or {("bundle",): camera.bundle}).items():
        if fault := _try(partial(_read_bundle, bundle, closely, trust)):
            yield (*place, *key), fault
    if not closely:  # a line runs on without a shadow, and says so
        return
    shadows: dict[Place, str] = {("shadows", name): bundle for name, bundle in camera.shadows.items()}
    if camera.shadow is not None:
        shadows["shadow",] = camera.shadow
    for key, bundle in shadows.items():
        if fault := _try(partial(_read_bundle, bundle, closely, trust)):
            yield (*place, *key), fault


def _read_bundle(bundle: str | None, closely: bool, trust: Trust | None) -> None:
    """Read the manifest, check who signed it, and that the files it lists have their sizes, not contents."""
    path = choose_bundle(bundle)
    manifest = read_manifest(path, trust)
    if not closely:
        return
    for name, record in manifest.files.items():
        file = path / name
        try:
            size = file.stat().st_size
        except OSError as error:
            raise BundleCorruptError(f"{file}: missing from the bundle ({error.strerror})") from error
        if size != record.bytes:
            raise BundleCorruptError(f"{file}: {size} bytes, the manifest says {record.bytes}; copy it again")
        if not os.access(file, os.R_OK):
            raise BundleCorruptError(f"{file}: can't be read by this user")


def _check_places(configuration: Configuration) -> Iterator[Absence]:
    yield from find_overlaps(configuration)
    if configuration.ledger and (fault := _try(lambda: _check_ledger(Path(configuration.ledger or "")))):
        yield ("ledger",), fault
    if configuration.save_overlays and (
        fault := _check_folder("--save-overlays", configuration.save_overlays)
    ):
        yield ("save_overlays",), fault
    if configuration.archive and (fault := _check_folder("archive.folder", configuration.archive.folder)):
        yield ("archive", "folder"), fault


def _check_ledger(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: no place for a ledger (there is no folder {path.parent})")
    if path.is_dir():
        raise UsageError(f"{path}: no place for a ledger (it takes a file, and this is a folder)")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: no place for a ledger ({path.parent} can't be written to)")
    if not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise LedgerError(f"{path}: this ledger can't be written to")
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            raise LedgerError(f"{path}: this is no ledger; name another file")


def _check_folder(what: str, folder: Path) -> UsageError | None:
    """Check whether a folder can be written to, or made."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        return UsageError(f"{what} {folder}: not a folder to write to ({there} is a file)")
    if not os.access(there, os.W_OK | os.X_OK):
        return UsageError(f"{what} {folder}: not a folder to write to ({there} can't be written to)")
    return None


def _check_port(configuration: Configuration) -> Iterator[Absence]:
    http = configuration.http
    if http is None:
        return
    if fault := _try(lambda: listen(http.host, http.port).close()):
        yield ("http", "port"), fault
    file = http.token_file
    if file and (fault := _try(lambda: (read_token if file.exists() else find_place)(file))):
        yield ("http", "token_file"), fault
    people = http.people_file
    if people and (fault := _try(lambda: read_people(people))):
        yield ("http", "people_file"), fault


def _check_secrets(name: str, table: MqttOptions | PostgresOptions) -> Iterator[Absence]:
    for key, file in (("password_file", table.password_file), ("ca_file", table.ca_file)):
        if file is None:
            continue
        try:
            if file.read_text(encoding="utf-8") and key == "ca_file":
                ssl.create_default_context(cafile=file)
        except ssl.SSLError:
            yield (name, key), UsageError(f"{file}: no certificates in PEM")
        except OSError as error:
            yield (name, key), UsageError(f"{file}: can't be read ({error.strerror})")
        except UnicodeDecodeError:
            yield (name, key), UsageError(f"{file}: isn't UTF-8")


def _check_libraries(configuration: Configuration) -> Iterator[Absence]:
    """Import what the connections need; an error names the extra that has the library."""
    wanted = {
        "mqtt": "outputs.mqtt",
        "modbus": "outputs.modbus",
        "postgres": "outputs.postgres.postgres",
        "http": "web.port.server",
    }
    for key, module in wanted.items():
        if getattr(configuration, key) is None:
            continue
        try:
            import_module(f"softcore_edge_app.{module}")
        except MissingLibraryError as error:
            yield (key,), error
    try:
        choose_engine(configuration.engine, "onnxruntime")
    except MissingLibraryError as error:
        yield ("engine",), error


def _try(look: Callable[[], object]) -> SoftCoreError | None:
    try:
        look()
    except SoftCoreError as error:
        return error
    return None
