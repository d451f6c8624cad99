from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from softcore_export import export as export_module
from softcore_export.contamination.choices import Choice, Choices, choices_path, read_choices, write_choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, export, prepare
from softcore_export.report.heat_map import draw_heat
from softcore_export.review import review as review_module
from softcore_export.review.review import review
from softcore_export.settings import ExportSettings
from softcore_runtime import Inspector, read_bundle, read_image
from softcore_runtime.errors import DataError
from softcore_runtime.images.windows import Region

Snapshot = Callable[[Path], dict[str, bytes]]
BAD = 5  # 05.png has a defect
PAGE = Path(review_module.__file__).with_name("page")
ELSEWHERE = "0" * 64  # an image that isn't here


@pytest.fixture(autouse=True)
def browsers(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[str]:
    """The addresses that were opened."""
    opened: queue.SimpleQueue[str] = queue.SimpleQueue()
    monkeypatch.setattr(webbrowser, "open", opened.put)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    return opened


@dataclass
class Review:
    """A running review, as its page uses it."""

    prepared: PreparedExport
    target: Path
    client: httpx.Client
    exports: list[Export] = field(default_factory=list)

    def get(self, path: str, **wanted: str | int) -> Any:
        answer = self.client.get(path, params=wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def choose(self, row: int, action: str | None, patches: list[tuple[int, int]] | None = None) -> Any:
        choice: dict[str, Any] = {"action": action}
        if patches:
            choice |= {"grid": self.prepared.grid, "patches": patches}
        (card,) = self.choose_all([row], choice if action else None)
        return card

    def choose_all(self, rows: list[int], choice: dict[str, Any] | None) -> Any:
        images = [self.prepared.images.digests[row] for row in rows]
        answer = self.client.put("/choices", json={"images": images, "choice": choice})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def card(self, row: int) -> Any:
        return self.get(f"/images/{self.prepared.images.digests[row]}")

    def export(self) -> Any:
        answer = self.client.post("/export")
        assert answer.status_code == 202, answer.text
        return self.wait()

    def wait(self) -> Any:
        start = time.monotonic()
        while (state := self.get("/state"))["running"] is not None:
            assert time.monotonic() < start + 60
            time.sleep(0.02)
        return state

    def origins(self, row: int) -> set[tuple[int, int]]:
        """Row and column of the bank's entries from an image."""
        origins = np.load(self.target / "origins.npy")
        return {(int(r), int(c)) for image, r, c in origins if image == row}


@contextlib.contextmanager
def open_page(url: str) -> Iterator[httpx.Client]:
    """A client with the page's token."""
    with httpx.Client(base_url=url, timeout=30) as client:
        found = re.search(r'name="softcore-token" content="([^"]{40,})"', client.get("/").text)
        assert found
        client.headers["X-Softcore-Token"] = found[1]
        yield client


@contextlib.contextmanager
def reviewing(prepared: PreparedExport, target: Path) -> Iterator[Review]:
    """Review from another thread; Finish at the end."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    exports: list[Export] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            review(prepared, target, exports.append, said.put)
        except BaseException as error:
            failed.append(error)
            said.put("")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not (found := re.search(r"http://127\.0\.0\.1:\d+/", said.get(timeout=60))):
        assert not failed, failed
    with open_page(found[0]) as client:
        try:
            yield Review(prepared, target, client, exports)
        finally:
            running = Review(prepared, target, client)
            running.wait()
            assert client.post("/finish").status_code == 202
            thread.join(60)
            assert not thread.is_alive()
    assert not failed


def test_it_exports_once_and_opens_the_browser(
    prepared: PreparedExport,
    target: Path,
    browsers: queue.SimpleQueue[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    with reviewing(prepared, target) as page:
        Inspector.load(target)
        assert [done.path for done in page.exports] == [target]
        assert browsers.get(timeout=10) == str(page.client.base_url)
        state = page.get("/state")
    assert state["threshold"] == f"{page.exports[0].manifest.threshold.value:.4g}"
    assert state["cards"]["all"] == 12
    assert state["pending"] == 0
    assert state["running"] is None
    assert not choices_path(target).exists()


def test_without_a_screen_no_browser_is_opened(
    prepared: PreparedExport, target: Path, browsers: queue.SimpleQueue[str]
) -> None:
    """It would be one for terminals, in the terminal of the export."""
    with reviewing(prepared, target):
        time.sleep(0.2)
    assert browsers.empty()


def test_the_cards_are_the_images_most_suspect_first(prepared: PreparedExport, target: Path) -> None:
    with reviewing(prepared, target) as page:
        everything = page.get("/images", show="all", order="suspicion")
        assert everything["total"] == len(everything["cards"]) == 12
        assert page.get("/images", show="all", order="suspicion", limit=2)["cards"] == everything["cards"][:2]
        suspects = page.get("/images", show="suspects", order="suspicion")
        assert page.get("/images", show="chosen")["total"] == 0
        assert [
            card["names"] for card in page.get("/images", show="all", order="suspicion", name="1")["cards"]
        ] == [card["names"] for card in everything["cards"] if "1" in card["names"][0]]
        done = page.exports[0]
    shares = [card["suspicion"] for card in everything["cards"]]
    assert shares == sorted(prepared.estimate.images.tolist(), reverse=True)
    assert everything["cards"][0]["names"] == ["05.png"]
    assert suspects["cards"] == [card for card in everything["cards"] if card["suspicion"] > 1]
    for card in everything["cards"]:
        row = int(card["names"][0][:2])
        assert card["sha256"] == prepared.images.digests[row]
        above = np.argwhere((prepared.estimate.patches[row] > 1).reshape(8, 8))
        assert card["marks"] == above.tolist()
        out = int((~done.kept[row]).sum())
        assert card["did"] == (f"excluded {out} of its 64 patches" if out else "used all of it")


def test_the_images_are_shown_as_the_network_sees_them(prepared: PreparedExport, target: Path) -> None:
    crop = prepared.settings.preprocessing.apply(read_image(prepared.images.paths[BAD]))
    patches = prepared.estimate.patches[BAD].reshape(8, 8)
    with reviewing(prepared, target) as page:
        path = f"/images/{prepared.images.digests[BAD]}"
        shown, heat = (page.client.get(f"{path}/{kind}.jpg") for kind in ("crop", "heat"))
        assert page.get(f"{path}/patches") == [[round(float(x), 3) for x in row] for row in patches]
        expected = draw_heat(crop, patches, page.exports[0].kept[BAD].reshape(8, 8))
    for answer, image in ((shown, crop), (heat, expected)):
        assert answer.headers["content-type"] == "image/jpeg"
        seen = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert seen.shape == image.shape
        assert np.abs(seen.astype(float) - image).mean() < 6


@pytest.mark.usefixtures("quick_network")
def test_choices_outlive_the_review(prepared: PreparedExport, target: Path, discs: Path) -> None:
    foreign = Choice(action="exclude")
    write_choices(choices_path(target), Choices(images={ELSEWHERE: foreign}))
    with reviewing(prepared, target) as page:
        page.choose(2, "exclude")
        page.choose(3, "exclude patches", [(0, 1), (4, 4)])
        page.choose(BAD, "keep")
        saved = read_choices(choices_path(target))  # at once
        assert page.get("/state")["cards"]["chosen"] == 3
        page.export()
    digests = prepared.images.digests
    assert saved.images == {
        ELSEWHERE: foreign,
        digests[2]: Choice(action="exclude"),
        digests[3]: Choice(
            action="exclude patches",
            grid=(8, 8),
            patches=((0, 1), (4, 4)),
            place=Region(x=4 / 72, y=4 / 72, width=64 / 72, height=64 / 72),
        ),
        digests[BAD]: Choice(action="keep"),
    }
    assert read_choices(choices_path(target)) == read_choices(target / "choices.json") == saved
    assert sorted(path.name for path in target.parent.iterdir()) == ["disc", "disc.choices.json"]

    # The next plain export of the category follows them, and so does the next review.
    reviewed = (target / "origins.npy").read_bytes()
    export(TrainingImages.find(discs / "disc"), target, prepared.settings, read_choices(choices_path(target)))
    assert (target / "origins.npy").read_bytes() == reviewed
    with reviewing(prepared, target) as page:
        assert page.card(3)["marks"] == [[0, 1], [4, 4]]
        assert page.get("/state")["pending"] == 0


def test_a_failed_export_changes_nothing(prepared: PreparedExport, target: Path, snapshot: Snapshot) -> None:
    with reviewing(prepared, target) as page:
        before = snapshot(target)
        for row in range(12):
            page.choose(row, "exclude")
        state = page.export()
        assert state["failed"]
        assert state["outcome"] == "every training image was excluded; nothing is left to learn from"
        assert (state["pending"], state["exports"]) == (12, 1)
        assert snapshot(target) == before
    assert len(read_choices(choices_path(target)).images) == 12

    # What can't be exported any more can still be mended here.
    shutil.rmtree(target)
    with reviewing(prepared, target) as page:
        assert not target.exists()
        state = page.get("/state")
        assert (state["failed"], state["threshold"], state["pending"]) == (True, "none yet", 12)
        assert page.card(0)["did"] == "none yet"
        assert page.client.get(f"/images/{prepared.images.digests[0]}/heat.jpg").status_code == 200
        for row in range(11):
            page.choose(row, None)
        assert not page.export()["failed"]
    Inspector.load(target)


def test_a_fault_of_ours_ends_neither_page_nor_choices(
    prepared: PreparedExport, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("two\nlines")

    with reviewing(prepared, target) as page:
        page.choose(2, "exclude")
        with monkeypatch.context() as patch:
            patch.setattr(export_module, "fit", fail)
            assert page.export()["outcome"] == "RuntimeError: two lines"
        assert not page.export()["failed"]
    assert not page.origins(2)


def test_with_nothing_chosen_a_first_failure_is_the_exports(
    prepared: PreparedExport, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DataError("nothing to learn from")

    monkeypatch.setattr(export_module, "fit", fail)
    with pytest.raises(DataError, match="nothing to learn from"):
        review(prepared, target, lambda _: None, lambda _: None)


def test_one_export_at_a_time_while_the_page_goes_on(
    prepared: PreparedExport, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = threading.Event(), threading.Event()
    real = export_module.build_index

    def wait(*given: Any) -> Any:
        started.set()
        assert go_on.wait(60)
        return real(*given)

    with reviewing(prepared, target) as page:
        page.choose(2, "exclude")
        monkeypatch.setattr(export_module, "build_index", wait)
        try:
            assert page.client.post("/export").json()["running"] >= 0
            assert started.wait(60)
            for path in ("/export", "/finish"):
                refused = page.client.post(path)
                assert refused.status_code == 409
                assert "an export is running" in refused.json()["detail"]
            assert page.get("/state")["running"] > 0
            page.choose(3, "exclude")  # for the next one
            assert page.client.get(f"/images/{prepared.images.digests[2]}/heat.jpg").status_code == 200
        finally:
            go_on.set()
        assert page.wait()["pending"] == 1
        assert (page.card(2)["pending"], page.card(3)["pending"]) == (False, True)
        assert page.origins(3)


@pytest.mark.usefixtures("quick_network")
def test_images_with_the_same_content_share_a_card(
    own_discs: Path, small: ExportSettings, target: Path
) -> None:
    (own_discs / "disc" / "again").mkdir()
    shutil.copy(own_discs / "disc" / "02.png", own_discs / "disc" / "again" / "<i>&.png")
    found = TrainingImages.find(own_discs / "disc")
    with prepare(found, target, small) as prepared, reviewing(prepared, target) as page:
        rows = [row for row, path in enumerate(prepared.images.paths) if path.name in ("02.png", "<i>&.png")]
        assert len(rows) == 1  # it is learned once
        assert page.get("/images", show="all")["total"] == 12
        (card,) = page.get("/images", show="all", name="<I>")["cards"]
        assert sorted(card["names"]) == ["02.png", "again/<i>&.png"]
        page.choose(rows[0], "exclude")
        assert page.get("/state")["pending"] == 1
        page.export()
        assert not page.origins(rows[0])
        assert "12 different" in page.client.get("/").text

        for row in rows:
            prepared.images.paths[row].unlink()
        gone = page.client.get(f"/images/{prepared.images.digests[rows[0]]}/crop.jpg")
        assert gone.status_code == 410
        assert "can't be read" in gone.json()["detail"]


def test_only_the_page_can_write(prepared: PreparedExport, target: Path) -> None:
    with reviewing(prepared, target) as page, httpx.Client(base_url=page.client.base_url) as stranger:
        digest = prepared.images.digests[2]
        body = {"images": [digest], "choice": {"action": "exclude"}}
        for headers in ({}, {"X-Softcore-Token": "x"}, {"X-Softcore-Token": b"\xff"}):
            answers = [
                stranger.put("/choices", json=body, headers=headers),
                stranger.put("/region", json={}, headers=headers),
                stranger.post("/export", headers=headers),
                stranger.post("/finish", headers=headers),
            ]
            assert [answer.status_code for answer in answers] == [403] * 4
        assert not choices_path(target).exists()
        assert page.get("/state")["exports"] == 1


def test_only_this_machine_by_its_own_name(prepared: PreparedExport, target: Path) -> None:
    with reviewing(prepared, target) as page:
        url = page.client.base_url
        for host in ("evil.example", f"evil.example:{url.port}", "127.0.0.1.evil.example", ""):
            assert page.client.get("/", headers={"Host": host}).status_code == 400
            assert page.client.post("/export", headers={"Host": host}).status_code == 400
        assert page.client.get("/", headers={"Host": f"localhost:{url.port}"}).status_code == 200
        with pytest.raises(OSError):  # noqa: PT011 - refused here, without a way elsewhere
            socket.create_connection(("127.0.0.2", url.port or 0), timeout=2).close()
        files = [f"/static/{file.name}" for file in PAGE.iterdir()]
        assert "/static/review.js" in files
        for path in ("/", "/state", *files):
            answer = page.client.get(path)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert not re.search(r"(https?:)?//\w", answer.text.replace("// ", ""))  # nothing from elsewhere
        for path in ("docs", "openapi.json", "static/", "static/review.py", "static/..%2freview.py"):
            assert page.client.get(f"/{path}").status_code == 404


def test_a_person_marks_patches_and_exports_in_a_browser(
    prepared: PreparedExport, target: Path, browser: Browser
) -> None:
    complaints: list[str] = []
    with reviewing(prepared, target) as review, contextlib.closing(browser.new_page()) as page:
        page.set_default_timeout(30_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(str(review.client.base_url))
        page.locator("label", has_text="All").click()
        expect(page.locator(".card")).to_have_count(len(prepared.images.paths))
        card = page.locator(".card").last
        card.locator(".pair").click()
        page.get_by_role("button", name="Clear").click()
        page.locator("[data-key='9']").click()
        page.locator("[data-key='9']").press("Shift+ArrowDown")
        page.get_by_role("button", name="Exclude 2 patches").click()
        expect(card.locator(".told")).to_contain_text("exclude 2 patches, keep the others. Saved, not in")
        name = page.locator("[name=name]")
        name.fill("nothing")
        expect(page.locator("#found")).to_have_text("No image has “nothing” in its name.")
        name.fill(f"{BAD}.")
        expect(page.locator(".card h3")).to_have_text([f"0{BAD}.png"])
        page.locator(".card").get_by_role("button", name="Keep").click()
        expect(page.locator("#pending")).to_contain_text("2 changes of your choices are saved")
        page.get_by_role("button", name="Export again").click()
        expect(page.locator("#pending")).to_have_text("The bundle follows all your choices.")
        expect(page.locator(".card .told")).to_have_text(
            "Your choice: keep all of it. Saved, and in the bundle."
        )
        assert review.get("/state")["exports"] == 2
    marked = [choice for choice in read_choices(choices_path(target)).images.values() if choice.patches]
    assert [choice.patches for choice in marked] == [((1, 1), (2, 1))]
    assert complaints == []


def test_a_choice_is_validated(prepared: PreparedExport, target: Path) -> None:
    cases: list[tuple[object, str]] = [
        ({"action": "burn"}, "'keep', 'exclude' or 'exclude patches'"),
        ({"action": "keep", "why": "so"}, "Extra inputs"),
        ({"action": "exclude patches"}, "exclude patches needs patches"),
        ({"action": "exclude patches", "grid": [8, 8], "patches": [[8, 0]]}, "outside the grid"),
        ({"action": "exclude patches", "grid": [9, 9], "patches": [[8, 0]]}, "on the grid of 8 x 8"),
        ({"action": "exclude patches", "grid": [8, 8], "patches": [[-1, 0]]}, "greater than"),
        ([], "valid"),
    ]
    with reviewing(prepared, target) as page:
        for body, said in cases:
            answer = page.client.put(
                "/choices", json={"images": [prepared.images.digests[2]], "choice": body}
            )
            assert answer.status_code == 422
            assert said in answer.json()["detail"]
        assert not choices_path(target).exists()


def test_an_unknown_image_is_not_found(prepared: PreparedExport, target: Path) -> None:
    with reviewing(prepared, target) as page:
        for digest in (ELSEWHERE, "x", hashlib.sha256(b"").hexdigest()):
            for path in ("", "/crop.jpg", "/heat.jpg", "/patches"):
                assert page.client.get(f"/images/{digest}{path}").status_code == 404
            images = [prepared.images.digests[2], digest]
            for choice in ({"action": "keep"}, None):
                answer = page.client.put("/choices", json={"images": images, "choice": choice})
                assert answer.status_code == 404
        assert page.client.get("/images", params={"show": "everything"}).status_code == 422
    assert not choices_path(target).exists()


def test_what_cannot_be_saved_is_not_shown_as_saved(prepared: PreparedExport, target: Path) -> None:
    with reviewing(prepared, target) as page:
        choices_path(target).mkdir()
        answer = page.client.put(
            "/choices", json={"images": [prepared.images.digests[2]], "choice": {"action": "keep"}}
        )
        assert answer.status_code == 500
        assert "can't be written" in answer.json()["detail"]
        assert page.card(2)["choice"] is None
        choices_path(target).rmdir()
        assert page.choose(2, "keep")["choice"]["action"] == "keep"


@contextlib.contextmanager
def review_command(
    data: Path, out: Path, patch: str = ""
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """`softcore-export --review` as a process of its own, changed by `patch`, when its page is served."""
    start = [
        "import signal, sys",
        # A shell starts what it puts into the background with Ctrl-C ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        patch,
        "from softcore_export.cli.command import main",
        "sys.exit(main())",
    ]
    options = ["--review", "--category", "disc", "--backbone", "filterbank", "--resize", "72", "--crop", "64"]
    command = [sys.executable, "-c", "\n".join(start), *options, "--data", str(data), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            lines = [""]
            while not (found := re.search(r"http://[\d.:]+/", lines[-1])):
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            with open_page(found[0]) as client:
                yield process, client
        finally:
            process.kill()


def press_ctrl_c(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def test_ctrl_c_drops_a_running_export(discs: Path, tmp_path: Path, snapshot: Snapshot) -> None:
    target, begun = tmp_path / "disc", tmp_path / "begun"
    patch = f"""
import time
from pathlib import Path
from softcore_export import export
real = export.build_index
def build_index(*given):
    if Path({str(target)!r}).exists():  # it is the second export
        Path({str(begun)!r}).touch()
        time.sleep(60)
    return real(*given)
export.build_index = build_index
"""
    with review_command(discs, tmp_path, patch) as (process, client):
        before = snapshot(target)
        digest = client.get("/images", params={"show": "suspects"}).json()["cards"][0]["sha256"]
        assert (
            client.put("/choices", json={"images": [digest], "choice": {"action": "exclude"}}).status_code
            == 200
        )
        assert client.post("/export").status_code == 202
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.02)
        _, err = press_ctrl_c(process)
    begun.unlink()
    said = err.splitlines()[-1]
    assert said.startswith(
        f"review ended by Ctrl-C, the running export was dropped and {target} is as it was"
    )
    assert said.endswith(f"the next export follows {choices_path(target)}")
    assert snapshot(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "disc", "disc.choices.json", "disc.source.json",
    ]  # fmt: skip
    assert set(read_choices(choices_path(target)).images) == {digest}
    Inspector.load(target)


def test_the_command_reviews_until_ctrl_c(discs: Path, tmp_path: Path) -> None:
    with review_command(discs, tmp_path) as (process, client):
        digest = client.get("/images", params={"show": "suspects"}).json()["cards"][0]["sha256"]
        assert (
            client.put("/choices", json={"images": [digest], "choice": {"action": "exclude"}}).status_code
            == 200
        )
        assert client.post("/export").status_code == 202
        while client.get("/state").json()["running"] is not None:
            assert process.poll() is None
            time.sleep(0.02)
        other = client.get("/images", params={"show": "all", "order": "suspicion"}).json()["cards"][1][
            "sha256"
        ]
        assert (
            client.put("/choices", json={"images": [other], "choice": {"action": "keep"}}).status_code == 200
        )
        out, err = press_ctrl_c(process)
    lines = out.splitlines()  # the report of the last export, and of no other
    assert lines[0].startswith(f"{tmp_path / 'disc'}: ")
    assert lines[0].endswith("from 12 images")
    names = [line.split()[0] for line in lines[1:]]
    assert [name for name in names if name != "agreement"] == [  # there is none where all is in fp32
        "threshold", "floors", "search", "hints", "network", "time", "defective", "suspects", "report"
    ]  # fmt: skip
    manifest = read_bundle(tmp_path / "disc").manifest
    assert lines[1].startswith(f"  threshold  {manifest.threshold.value:.4g}, provisional")
    assert lines[-1] == f"  report     {tmp_path / 'disc' / 'report.html'}"
    exported = [line for line in err.splitlines() if line.startswith("  exported ")]
    assert exported == [
        f"  exported   {tmp_path / 'disc'}: threshold {manifest.threshold.value:.4g}, {manifest.bank.n:,} "
        "entries"
    ]
    assert err.splitlines()[-1] == (
        "review ended by Ctrl-C; 1 change of choices not in the bundle yet, "
        f"the next export follows {tmp_path / 'disc.choices.json'}"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "disc", "disc.choices.json", "disc.source.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "disc.choices.json").read_text())["pictures"] == {
        digest: {"action": "exclude"},
        other: {"action": "keep"},
    }
    Inspector.load(tmp_path / "disc")
