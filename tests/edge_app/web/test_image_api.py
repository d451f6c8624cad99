from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.outputs.archive_record import IMAGE, OVERLAY, Kept
from softcore_edge_app.web import image_cache as cache_module
from softcore_edge_app.web.image_cache import KEPT, ImageCache, NoImageError
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import Decision

FAILED, PASSED, INVALID = (6, 55), (0, 50), (9, 59)  # of the archive, and of the memory


def decode(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image)


def redness(image: np.ndarray) -> float:
    return float(np.abs(image[:, :, 2].astype(int) - image[:, :, 0]).max())


@pytest.mark.parametrize("number", FAILED + PASSED)
def test_a_part_is_seen_in_each_way(
    stranger: httpx.Client, parts: list[PublishedDecision], number: int
) -> None:
    frame = parts[number].frame
    assert frame
    assert frame.image is not None

    def see(kind: str) -> np.ndarray:
        answer = stranger.get(f"/api/pictures/t{number}/{kind}")
        assert answer.headers["content-type"] == ("image/png" if kind == "frame" else "image/jpeg")
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        return decode(answer)

    np.testing.assert_array_equal(see("frame"), frame.image)
    outlined, coloured, small = see("overlay"), see("map"), see("thumbnail")
    assert outlined.shape == coloured.shape == (240, 320, 3)
    assert small.shape == (120, 160, 3)
    bright = np.argwhere(outlined.min(2) > 190)  # the outline is white
    if number in FAILED:
        assert len(bright) > 50
        assert bright[:, 1].mean() > 160 > 120 > bright[:, 0].mean()  # to the upper right
        assert redness(coloured) > 100
    else:
        assert len(bright) == 0
    assert redness(outlined) < 40


@pytest.mark.parametrize("number", INVALID)
def test_of_a_part_without_a_image_none_is_seen(stranger: httpx.Client, number: int) -> None:
    for kind in ("frame", "overlay", "map", "thumbnail", "peak"):
        answer = stranger.get(f"/api/pictures/t{number}/{kind}")
        assert answer.status_code == 404
        assert "image" in answer.json()["detail"]
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("t60/frame", 404),
        ("none/overlay", 404),
        ("t1/sidecar", 422),
        ("t1/frame.png", 422),
        ("../frame", 404),
        ("..%2f..%2f..%2fetc%2fpasswd/frame", 404),
        ("%2e%2e/frame", 404),
        ("%2fetc%2fpasswd/frame", 404),
        ("..%5c..%5cx/frame", 404),
        ("t1%00/frame", 422),
        ("t1%0a/frame", 422),
        ("%ff/frame", 404),
        (f"{'x' * 201}/frame", 422),
        (f"{'x' * 60_000}/frame", 422),
    ],
)
def test_there_is_no_way_to_other_files(stranger: httpx.Client, path: str, status: int) -> None:
    answer = stranger.get(f"/api/pictures/{path}")
    assert answer.status_code == status
    assert b"root:" not in answer.content
    assert isinstance(answer.json()["detail"], str)


def test_what_the_archive_has_lost_is_said(server: WebServer, stranger: httpx.Client, parts: Any) -> None:
    archive = server._cache._archive
    kept = Kept.place(parts[3].record)
    assert archive
    kept.file(archive, OVERLAY).unlink()
    assert decode(stranger.get("/api/pictures/t3/overlay")).shape == (90, 120, 3)  # the frame, then
    answer = stranger.get("/api/pictures/t3/map")
    assert (answer.status_code, "it has no map" in answer.json()["detail"]) == (404, True)
    kept.file(archive, IMAGE).write_bytes(b"")
    for kind in ("overlay", "thumbnail"):
        assert "can't be read" in stranger.get(f"/api/pictures/t3/{kind}").json()["detail"]
    kept.file(archive, IMAGE).unlink()
    answer = stranger.get("/api/pictures/t3/frame")
    assert "any more" in answer.json()["detail"]
    assert stranger.get("/api/decisions/t3").json()["picture"] is False


def make_part(
    decide: Callable[..., PublishedDecision], number: int, shape: tuple[int, ...] = (60, 80, 3)
) -> PublishedDecision:
    frame = Frame(number + 1, "frame", np.full(shape, number % 250, np.uint8))
    return replace(decide(number), frame=frame)


def test_the_last_parts_are_in_memory_with_a_ledger_or_without(
    serve: Callable[..., WebServer], decide: Callable[..., PublishedDecision]
) -> None:
    server = serve()
    for number in range(KEPT + 5):
        server.publish(make_part(decide, number))
    with httpx.Client(base_url=server.url) as client:
        gone = client.get("/api/pictures/t4/frame")
        assert (gone.status_code, "no such part is known" in gone.json()["detail"]) == (404, True)
        assert decode(client.get("/api/pictures/t5/frame"))[0, 0, 0] == 5
        assert decode(client.get(f"/api/pictures/t{KEPT + 4}/thumbnail")).shape == (60, 80, 3)


def test_memory_is_bounded_by_what_images_take(
    decide: Callable[..., PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_MOST_BYTES", 100_000)
    cache = ImageCache(None)
    for number in range(20):
        cache.add(make_part(decide, number))
        assert cache._size <= 100_000
    kept = [number for number in range(20) if cache.has(decide(number).record)]
    assert kept == [*range(14, 20)]  # of 14 400 bytes each
    for number in kept:  # what is drawn counts, too
        if cache.draw(f"t{number}", "frame") is None:
            break
    assert cache._size == sum(part.size for part in cache._parts.values()) <= 100_000
    huge = make_part(decide, 30, (500, 500, 3))
    cache.add(huge)
    assert cache.draw("t30", "thumbnail")
    assert len(cache._parts) == 1


def test_a_image_is_drawn_once(decide: Callable[..., PublishedDecision]) -> None:
    cache = ImageCache(None)
    cache.add(make_part(decide, 1))
    assert cache.get_drawn("t1", "thumbnail") is None
    drawn = cache.draw("t1", "thumbnail")
    assert cache.get_drawn("t1", "thumbnail") == drawn
    assert cache.get_drawn("t1", "overlay") is None
    assert cache.draw("t2", "overlay") is None
    with pytest.raises(NoImageError, match="no map"):
        cache.draw("t1", "map")
    with pytest.raises(NoImageError, match="no archive"):
        cache.draw_archived(decide(2).record, "frame")


def test_the_focus(stranger: httpx.Client, line: Any) -> None:
    assert stranger.get("/api/focus").json() == {"sharpness": None, "lowest": 4.0, "typical": 5.0}
    assert stranger.get("/api/focus/picture").status_code == 404
    rng = np.random.default_rng(0)
    line.image = sharp = rng.integers(0, 255, (300, 2000, 3), np.uint8)
    first = stranger.get("/api/focus", params={"camera": "left"}).json()["sharpness"]
    line.image = cv2.GaussianBlur(sharp, (0, 0), 3)
    assert 0 < stranger.get("/api/focus").json()["sharpness"] < first / 5
    answer = stranger.get("/api/focus/picture", params={"camera": "left", "turn": 7})
    assert decode(answer).shape == (192, 1280, 3)
    assert answer.headers["cache-control"] == "no-store"
    for path in ("/api/focus", "/api/focus/picture"):
        refused = stranger.get(path, params={"camera": "right"})
        assert (refused.status_code, "no camera right" in refused.json()["detail"]) == (409, True)
        assert stranger.get(path, params={"camera": ""}).status_code == 422


def test_the_archive_is_only_read(server: WebServer, stranger: httpx.Client) -> None:
    archive = server._cache._archive
    assert archive

    def list_files() -> set[Path]:
        return {path for path in archive.rglob("*") if path.is_file()}

    before = list_files()
    for number in range(20, 30):
        stranger.get(f"/api/pictures/t{number}/thumbnail")
    assert list_files() == before


@pytest.mark.parametrize(
    ("shape", "x", "y"), [((400, 4000), 0.99, 0.5), ((4000, 400), 0.5, 0.0), ((90, 120), 0.7, 0.2)]
)
def test_the_peak_is_cut_out_of_the_frame_and_enlarged(
    decide: Callable[..., PublishedDecision], shape: tuple[int, int], x: float, y: float
) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    cv2.circle(image, (round(x * shape[1]), round(y * shape[0])), 6, (255, 255, 255), -1)
    part = replace(decide(1, x=x, y=y, decision=Decision.FAIL), frame=Frame(1, "frame", image))
    cache = ImageCache(None)
    cache.add(part)
    drawn = cache.draw("t1", "peak")
    assert drawn
    peak = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    assert peak.shape == (320, 320, 3)
    assert (peak > 200).mean() > 3 * (image > 200).mean()  # it is larger there


def test_without_a_place_there_is_no_peak(decide: Callable[..., PublishedDecision]) -> None:
    cache = ImageCache(None)
    cache.add(replace(decide(1), frame=Frame(1, "frame", np.zeros((90, 120, 3), np.uint8))))
    with pytest.raises(NoImageError, match="it has no peak"):
        cache.draw("t1", "peak")


def test_a_wide_part_has_pixels_enough_for_a_wide_screen(decide: Callable[..., PublishedDecision]) -> None:
    cache = ImageCache(None)
    cache.add(replace(decide(1), frame=Frame(1, "frame", np.zeros((400, 4000, 3), np.uint8))))
    drawn = cache.draw("t1", "overlay")
    assert drawn
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR).shape == (219, 2191, 3)


def test_an_image_that_was_refused_is_shown(decide: Callable[..., PublishedDecision]) -> None:
    black = np.zeros((90, 120, 3), np.uint8)
    frame = Frame(1, "frame", reason="the image is black", refused=black)
    part = replace(decide(1, decision="INVALID", reason=frame.reason), frame=frame)
    cache = ImageCache(None)
    cache.add(part)
    assert cache.has(part.record)
    drawn = cache.draw("t1", "overlay")
    assert drawn
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR).shape == black.shape
