from __future__ import annotations

import contextlib
import queue
import re
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
from softcore_calibration.calibration import CalibrationResult, calibrate
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import score_samples
from softcore_calibration.objective import Objective
from softcore_calibration.report.page import serve_page
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.bundle.training import read_training
from softcore_runtime.errors import BundleCorruptError, DataError, UsageError


@pytest.fixture(autouse=True)
def _no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: None)


@dataclass
class Calibrating:
    """A calibration whose page is served."""

    inspector: Inspector
    findings: CalibrationResult
    find: Callable[[Objective], CalibrationResult]
    used: list[float] = field(default_factory=list)

    def use(self, value: float) -> CalibrationResult:
        """Write a threshold, as the command does."""
        self.used.append(value)
        path, before = self.inspector.bundle.path, read_manifest(self.inspector.bundle.path)
        found = (
            self.findings
            if value == self.findings.threshold.value
            else self.find(Objective("value", {"value": value}))
        )
        set_threshold(path, found.threshold, before)
        return replace(found, manifest=before)


@pytest.fixture
def calibrating(tiny_bundle: Path, category: Path) -> Calibrating:
    inspector = Inspector.load(tiny_bundle)
    with open_cache(inspector, None) as cache:
        scoring = score_samples(inspector, find_samples([(category, None)]), cache, 0)
    training = read_training(tiny_bundle)

    def find(objective: Objective) -> CalibrationResult:
        return calibrate(inspector, scoring, training, objective)

    return Calibrating(inspector, find(Objective("overkill", {"share": 0.05})), find)


@contextlib.contextmanager
def serving(
    case: Calibrating, use: Callable[[float], CalibrationResult] | None = None
) -> Iterator[tuple[httpx.Client, list[str]]]:
    """Serve from another thread, with a client that has the page's token; Finish at the end."""
    address: queue.SimpleQueue[str] = queue.SimpleQueue()
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        address.put(line)

    given = (case.findings, case.inspector, use or case.use, say)
    thread = threading.Thread(target=serve_page, args=given, daemon=True)
    thread.start()
    found = re.search(r"http://127\.0\.0\.1:\d+/", address.get(timeout=60))
    assert found
    with httpx.Client(base_url=found[0], timeout=30) as client:
        token = re.search(r'name="softcore-token" content="([^"]{40,})"', client.get("/").text)
        assert token
        client.headers["X-Softcore-Token"] = token[1]
        try:
            yield client, said
        finally:
            assert client.post("/finish").status_code == 202
            thread.join(30)
            assert not thread.is_alive()


def test_the_button_writes_the_threshold(calibrating: Calibrating) -> None:
    path = calibrating.inspector.bundle.path
    with serving(calibrating) as (client, said):
        assert "In the bundle now: 12</strong>, provisional" in client.get("/").text
        assert read_manifest(path).threshold.value == 12
        value = 0.1 + 0.2  # every digit of it
        answer = client.post("/limit", json={"value": value})
        assert (answer.status_code, answer.json()) == (200, {"value": value})
        assert read_manifest(path).threshold.value == value
        page = client.get("/").text
        assert "In the bundle now: 0.3</strong>, written from this page. It was 12;" in page
        assert "set by hand: no promise" in page
        assert client.headers["X-Softcore-Token"] in page  # who has it open goes on

        chosen = calibrating.findings.threshold
        assert client.post("/limit", json={"value": chosen.value}).status_code == 200
        assert read_manifest(path).threshold == chosen
        assert [threshold.value for threshold in read_manifest(path).history] == [12, value]
        assert "It was 0.3;" in client.get("/").text
    assert said[1:] == [
        f"  bundle     {path} has the threshold 0.3 now; --revert goes back",
        f"  bundle     {path} has the threshold {chosen.value:.6g} now; --revert goes back",
        f"  page       finished; the threshold is {chosen.value:.6g} now",
    ]


def test_who_only_looks_changes_nothing(calibrating: Calibrating) -> None:
    before = (calibrating.inspector.bundle.path / "manifest.json").read_bytes()
    with serving(calibrating) as (_, said):
        pass
    assert said[1:] == ["  page       finished; nothing was written"]
    assert (calibrating.inspector.bundle.path / "manifest.json").read_bytes() == before
    assert calibrating.used == []


def test_only_the_page_can_write(calibrating: Calibrating) -> None:
    with serving(calibrating) as (client, _), httpx.Client(base_url=client.base_url) as stranger:
        for headers in ({}, {"X-Softcore-Token": "x"}):
            assert stranger.post("/limit", json={"value": 3}, headers=headers).status_code == 403
            assert stranger.post("/finish", headers=headers).status_code == 403
        for host in ("evil.example", ""):
            assert client.get("/", headers={"Host": host}).status_code == 400
            assert client.post("/limit", json={"value": 3}, headers={"Host": host}).status_code == 400
        policy = client.get("/").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "connect-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
    assert calibrating.used == []


def test_what_is_no_threshold_is_refused(calibrating: Calibrating) -> None:
    bodies = ['{"value": NaN}', '{"value": Infinity}', '{"value": -1}', '{"value": 0}', '{"value": 1e39}',
              '{"value": "3"}', '{"value": true}', '{"value": null}', "{}", '{"value": 3, "more": 1}', "[]",
              "3", "{", ""]  # fmt: skip
    with serving(calibrating) as (client, _):
        for body in bodies:
            answer = client.post("/limit", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, body
            assert isinstance(answer.json()["detail"], str)
        for method, path in (("GET", "/limit"), ("PUT", "/limit"), ("GET", "/finish")):
            assert client.request(method, path).status_code == 405
    assert calibrating.used == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("/b/manifest.json: can't be written (Permission denied); nothing was changed"), 500),
        (BundleCorruptError("/b: was exported anew while its threshold was chosen; calibrate again"), 409),
        (DataError("a mask or --min-area changes the scores"), 409),
    ],
)
def test_what_goes_wrong_is_told_and_can_be_tried_again(
    calibrating: Calibrating, error: Exception, status: int
) -> None:
    errors = [error]

    def use(value: float) -> CalibrationResult:
        if errors:
            raise errors.pop()
        return calibrating.use(value)

    with serving(calibrating, use) as (client, said):
        answer = client.post("/limit", json={"value": 3})
        assert (answer.status_code, answer.json()["detail"]) == (status, str(error))
        assert "Nothing is written until" in client.get("/").text
        assert len(said) == 1
        assert client.post("/limit", json={"value": 3}).status_code == 200


def test_one_threshold_at_a_time(calibrating: Calibrating) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def use(value: float) -> CalibrationResult:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.05)
        found = calibrating.use(value)
        with lock:
            inside -= 1
        return found

    with serving(calibrating, use) as (client, _):
        threads = [
            threading.Thread(target=client.post, args=("/limit",), kwargs={"json": {"value": 1.0 + i}})
            for i in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert most == 1
    assert sorted(calibrating.used) == [1, 2, 3, 4, 5]
    assert read_manifest(calibrating.inspector.bundle.path).threshold.value == calibrating.used[-1]
