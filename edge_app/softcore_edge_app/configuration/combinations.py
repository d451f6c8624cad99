"""Combinations: settings of a line that are valid each, but not together."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.configuration.options import CameraOptions, Configuration

__all__ = ["Clash", "Place", "find_clashes"]

Place = tuple[str, ...]  # the path of a key: ("cameras", "left", "queue"); of a table that of its name
Clash = tuple[Place, str]  # where, and why


def find_clashes(found: Configuration, wrong: Collection[Place] = ()) -> Iterator[Clash]:
    """Find the settings that don't go together.

    Args:
        found: the valid part of a configuration.
        wrong: the keys that were left out of it because they are wrong. They count as set, so that no
            mistake is reported twice.
    """
    tables = bool(found.cameras) or _is_wrong(("cameras",), wrong)
    cameras: dict[Place, CameraOptions] = {("cameras", name): one for name, one in found.cameras.items()}
    for place, camera in (cameras if tables else {(): found}).items():
        yield from _check_camera(place, camera, wrong)
        outside = any(_is_given(found, (key,), wrong) for key in ("mqtt", "modbus", "http"))
        if camera.trigger == "external" and not outside:
            yield (*place, "trigger"), "nobody can trigger it: that takes mqtt, modbus or http"
    if tables:
        for key in sorted(found.model_fields_set & CameraOptions.model_fields.keys()):
            yield (key,), "belongs in each camera's table, as there are tables [cameras.NAME]"
    yield from _check_devices(cameras)
    yield from _check_line(found, wrong)


def _check_camera(place: Place, camera: CameraOptions, wrong: Collection[Place]) -> Iterator[Clash]:
    def is_given(key: str) -> bool:
        return getattr(camera, key) is not None or _is_wrong((*place, key), wrong)

    if is_given("camera") and is_given("source"):
        yield place, "takes either camera or source, not both; leave one of the two out"
    elif not is_given("camera") and not is_given("source"):
        yield place, "needs either camera or source (--camera, --source)"
    if not _is_wrong((*place, "trigger"), wrong) and (camera.trigger == "interval") != is_given("interval"):
        yield place, "an interval goes with trigger = interval, and that with an interval"
    allowed = camera.time_allowed
    if camera.trigger != "auto" and allowed is not None and camera.latency >= allowed:
        yield (
            (*place, "latency"),
            f"a trigger's frame comes {camera.latency:g} s after it, and its deadline is {allowed:g} s after "
            "it; give a longer deadline",
        )
    if camera.recipes and is_given("bundle"):
        yield (*place, "recipes"), "the first of them is in use at the start; leave bundle out"
    yield from _check_shadows(place, camera, wrong)


def _check_shadows(place: Place, camera: CameraOptions, wrong: Collection[Place]) -> Iterator[Clash]:
    if camera.recipes and camera.shadow is not None:
        yield (*place, "shadow"), "with recipes, name a shadow for each of them that has one, in shadows"
    if _is_wrong((*place, "recipes"), wrong):
        return
    for name in camera.shadows:
        if name not in camera.recipes:
            near = find_nearest(name, camera.recipes)
            known = (
                f"there are: {', '.join(camera.recipes)}" if camera.recipes else "there are none; use shadow"
            )
            yield (
                (*place, "shadows", name),
                f"no recipe {name!r}; {f'did you mean {near}?' if near else known}",
            )


def _check_devices(cameras: dict[Place, CameraOptions]) -> Iterator[Clash]:
    """Find devices with several cameras; only streams and files can be read by more than one."""
    first: dict[str, Place] = {}
    for place, camera in cameras.items():
        if camera.camera is None or " ! " in camera.camera:
            continue
        device = camera.camera.removeprefix("/dev/video")
        if device in first:
            yield (*place, "camera"), f"{camera.camera} is the camera of {'.'.join(first[device])} already"
        first.setdefault(device, place)


def _check_line(found: Configuration, wrong: Collection[Place]) -> Iterator[Clash]:
    if found.fast and _is_given(found, ("save_overlays",), wrong):
        yield (), "--fast draws no maps, so there are no overlays to save; leave one of the two out"
    for output in ("mqtt", "modbus", "postgres"):
        if _is_given(found, (output,), wrong) and not _is_given(found, ("ledger",), wrong):
            yield (output,), "needs a ledger (--ledger FILE), which keeps what it misses"
    yield from _check_plc(found, wrong)
    for name, rule in found.alarms.items():
        if not _is_wrong(("alarms", name), wrong) and (clash := rule.find_clash()):
            yield ("alarms", name), clash


def _check_plc(found: Configuration, wrong: Collection[Place]) -> Iterator[Clash]:
    """Check that the PLC triggers one camera of the line; a single camera without a table has no name."""
    names = [*found.cameras, *(place[1] for place in wrong if place[0] == "cameras" and len(place) > 1)]
    if not found.modbus or not names or ("cameras",) in wrong:
        return
    name, known = found.modbus.camera, ", ".join(dict.fromkeys(names))
    if name is None and len(set(names)) > 1:
        yield ("modbus", "camera"), f"name the camera that the PLC triggers: {known}"
    elif name is not None and name not in names:
        near = find_nearest(name, names)
        yield (
            ("modbus", "camera"),
            f"no camera {name!r}; {f'did you mean {near}?' if near else f'there are: {known}'}",
        )


def _is_given(found: Configuration, place: Place, wrong: Collection[Place]) -> bool:
    return getattr(found, place[0]) is not None or _is_wrong(place, wrong)


def _is_wrong(place: Place, wrong: Collection[Place]) -> bool:
    """Return whether the key, or one in its table, is among those that are wrong."""
    return any(one[: len(place)] == place for one in wrong)
