"""A night of 1,200 parts, which page, report, table, metrics, index and ledger tell number by number.

Two cameras, a run of FAILs and its alarm, REVIEW that is settled, a stop, a line that is killed and started
again, midnight, and the hour that daylight saving repeats. What each says is compared with the script.
"""

from __future__ import annotations

import csv
import io
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from prometheus_client.parser import text_string_to_metric_families
from softcore_edge_app.cli.command import main
from softcore_edge_app.ledger.ledger import verify_ledger
from softcore_edge_app.web.people.people_file import write_people
from softcore_edge_app.web.people.person import Person, Role
from softcore_edge_app.web.people.secret import hash_secret
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_manifest, write_manifest

# Runs `softcore-edge` by a clock that a file sets forward, by a number of nanoseconds.
BY_CLOCK = """
import sys, time
from pathlib import Path
real, ahead = time.time_ns, Path(sys.argv.pop(1))
time.time_ns = lambda: real() + int(ahead.read_text())
from softcore_edge_app.__main__ import main
sys.exit(main())
"""
CAMERAS = ("left", "right")
DECISIONS = ("PASS", "REVIEW", "FAIL", "INVALID")
PINS = {"Anna": "471100", "Bert": "081500"}
UTC = timezone.utc
# The night from the 24th to the 25th of October 2026: in Berlin it is three o'clock only after 02:59 twice.
MIDSUMMER = timezone(timedelta(hours=2))
WINTER = timezone(timedelta(hours=1))


def at(day: int, clock: str, zone: timezone = MIDSUMMER) -> datetime:
    return datetime.strptime(f"2026-10-{day} {clock}", "%Y-%m-%d %H:%M").replace(tzinfo=zone).astimezone(UTC)


LATE, NIGHT, EARLY, END = at(24, "14:00"), at(24, "22:00"), at(25, "06:00", WINTER), at(25, "14:00", WINTER)
# When, and what both cameras see then: P good, R in the grey zone, F bad, S good while the line is stopped.
SCRIPT = [
    (at(24, "21:10"), "PPPPPPPPP" * 4 + "F"),
    (at(24, "21:58"), "PPPPPPPPPP" * 5 + "RF"),
    (at(24, "22:01"), "PPPPPPFPPP" * 6),
    (at(24, "23:57"), "PPPPPPPPPR" * 6),
    (at(25, "00:01"), "PPPPPPPPPP" * 6 + "FF"),
    (at(25, "01:20"), "FFFFFFFFFFFF"),
    (at(25, "01:24"), "PPPPPPPPPP" * 4),
    (at(25, "02:10"), "PPPPFPPPPP" * 5),
    (at(25, "02:50"), "PPPPPPPPRP" * 5),
    # Here the line is killed and started again.
    (at(25, "02:10", WINTER), "PPPPPPPFPP" * 6),
    (at(25, "02:50", WINTER), "PPPPPPPPPP" * 3 + "F"),
    (at(25, "04:00", WINTER), "PPPPPPPPPP" + "S" * 14 + "PPPPPP"),
    (at(25, "05:59", WINTER), "PPPPPPPPPP" * 2 + "R"),
    (at(25, "06:02", WINTER), "PPPPPPPPFP" * 3 + "RRFPP"),
]
KILLED_AFTER = 9  # entries of the script
SEEN = {"P": "PASS", "R": "REVIEW", "F": "FAIL", "S": "INVALID"}


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def count(since: datetime = LATE, until: datetime = END, cameras: int = 2) -> Counter[str]:
    """Count what the script says."""
    parts = (part for moment, parts in SCRIPT if since <= moment < until for part in parts)
    return Counter({SEEN[part]: cameras * n for part, n in Counter(parts).items()})


def count_hours(since: datetime = LATE, until: datetime = END) -> Counter[tuple[int, str]]:
    """Count what the script says by hour since 1970 and decision."""
    hours: Counter[tuple[int, str]] = Counter()
    for moment, parts in SCRIPT:
        if since <= moment < until:
            for part in parts:
                hours[nanoseconds(moment) // (3600 * 10**9), SEEN[part]] += 2
    return hours


def wait_for(ask: Callable[[], Any]) -> Any:
    until = time.monotonic() + 60
    while not (answer := ask()):
        assert time.monotonic() < until
        time.sleep(0.005)
    return answer


@dataclass
class Line:
    """A line's process, whose clock is set."""

    folder: Path
    frames: dict[str, np.ndarray]
    ahead: int | None = None  # nanoseconds by which its clock is set
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    process: subprocess.Popen[bytes] | None = None
    triggers: int = 0
    metrics: Counter[tuple[str, str]] = field(default_factory=Counter)
    url: str | None = None
    client: httpx.Client | None = None
    told: list[tuple[datetime, dict[str, int]]] = field(default_factory=list)

    def start(self, entries: list[tuple[datetime, str]]) -> None:
        """Start it; its cameras will see what the entries say, one after the other."""
        for camera in CAMERAS:
            images = self.folder / camera
            for old in images.glob("*.png"):
                old.unlink()
            images.mkdir(exist_ok=True)
            seen = "".join(parts.replace("S", "") for _, parts in entries)
            for number, part in enumerate(seen):
                (images / f"{number:04}.png").symlink_to(self.folder / f"{part}.png")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-c", BY_CLOCK, self.folder / "ahead", "--config",
                    self.folder / "line.toml",
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )  # fmt: skip

        def find_port() -> str | None:
            assert self.process
            told = (self.folder / "log").read_text()
            assert self.process.poll() is None, told
            found = re.findall(r"http://127\.0\.0\.1:\d+", told)
            return found[-1] if found and found[-1] != self.url else None

        self.url = wait_for(find_port)
        self.client = httpx.Client(base_url=self.url, headers={"X-SoftCore-Token": self.token}, timeout=60)
        wait_for(lambda: self.get("status")["ready"])

    def set_clock(self, moment: datetime) -> None:
        """Set it forward to a moment."""
        ahead = nanoseconds(moment) - time.time_ns()
        assert self.ahead is None or ahead > self.ahead
        self.ahead = ahead
        fresh = self.folder / "ahead.fresh"
        fresh.write_text(str(ahead))
        fresh.replace(self.folder / "ahead")

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(f"/api/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.client.post(f"/api/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, entry: str) -> None:
        """Trigger both cameras for each part of an entry, and wait for the decisions."""
        seq = self.get("status")["shift"]["seq"]
        first = self.triggers

        def trigger(camera: str) -> None:
            for number in range(first, first + len(entry)):
                self.post("trigger", camera=camera, part=f"part-{2 * number + CAMERAS.index(camera)}")

        with ThreadPoolExecutor(len(CAMERAS)) as pool:
            list(pool.map(trigger, CAMERAS))
        self.triggers += len(entry)
        wait_for(lambda: self.get("status")["shift"]["seq"] == seq + 2 * len(entry))

    def set_running(self, *, running: bool) -> None:
        """Stop or start both cameras."""
        for camera in CAMERAS:
            self.post("running", camera=camera, running=running)

    def play(self, moment: datetime, parts: str) -> None:
        """Play an entry of the script."""
        self.set_clock(moment)
        stopped = re.fullmatch(r"([^S]*)(S+)([^S]*)", parts)
        for before in stopped.groups() if stopped else [parts]:
            if "S" in before:
                self.set_running(running=False)
            self.trigger(before)
            if "S" in before:
                self.set_running(running=True)

    def read_metrics(self) -> Counter[tuple[str, str]]:
        """Return the numbers of decisions since the start, by camera and decision."""
        samples = (
            sample
            for family in text_string_to_metric_families(self.client.get("/metrics").text)
            for sample in family.samples
            if sample.name == "softcore_decisions_total"
        )
        counts: Counter[tuple[str, str]] = Counter()
        for sample in samples:
            counts[sample.labels["camera"], sample.labels["decision"]] += int(sample.value)
        return counts

    def act(self) -> None:
        """As Bert, the operator: acknowledge the alarm of the left camera, and settle three parts."""
        with httpx.Client(base_url=self.url, headers={"Origin": self.url}, timeout=60) as bert:
            asked = {
                "login": {"name": "Bert", "secret": PINS["Bert"]},
                "alarms/acknowledge": {"rule": "fail-run", "camera": "left"},
            }
            for path, body in asked.items():
                assert bert.post(f"/api/{path}", json=body).status_code == 200
            for mark in ("good", "bad", "good"):
                work = self.get("worklist", limit=10)["rows"]
                row = next(one for one in work if one["decided_at"] > nanoseconds(NIGHT))
                settled = bert.post("/api/worklist", json={"trigger": row["trigger"], "mark": mark})
                assert settled.status_code == 200, settled.text

    def kill(self) -> None:
        """Kill it by SIGKILL, and keep its metrics."""
        self.metrics += self.read_metrics()
        self.end()

    def end(self) -> None:
        """Kill it, if it runs."""
        if self.client:
            self.client.close()
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(60)
            self.process = None


@pytest.fixture(scope="module")
def line(
    _tiny_bundle: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Line]:
    """The line at the end of the script."""
    folder = tmp_path_factory.mktemp("night")
    # Between good and bad, whatever the scores are.
    mixed = cv2.addWeighted(good_frame, 0.75, bad_frame, 0.25, 0)
    frames = {"P": good_frame, "R": mixed, "F": bad_frame}
    for part, frame in frames.items():
        assert cv2.imwrite(str(folder / f"{part}.png"), frame)
    inspector = Inspector.load(_tiny_bundle)
    good, between, bad = (inspector.decide(frame) for frame in frames.values())
    assert good.score < 12 < between.score < 100 < bad.score
    bundle = folder / "tiny"
    shutil.copytree(_tiny_bundle, bundle)
    manifest = read_manifest(bundle)
    zone = manifest.threshold.model_copy(update={"fail_above": 100.0})
    write_manifest(bundle, manifest.model_copy(update={"threshold": zone}))
    people = tuple(
        Person(name, role, hash_secret(PINS[name]))
        for name, role in (("Anna", Role.SETTER), ("Bert", Role.OPERATOR))
    )
    write_people(folder / "people.json", people)
    made = Line(folder, frames)
    (folder / "token").touch(0o600)
    (folder / "token").write_text(made.token)
    cameras = "".join(
        f"""
[cameras.{camera}]
bundle = "{bundle}"
source = "{folder / camera}"
trigger = "external"
queue = 200
deadline = 60
"""
        for camera in CAMERAS
    )
    (folder / "line.toml").write_text(
        f"""
ledger = "{folder}/line.ledger"
shifts = ["06:00", "14:00", "22:00"]
time_zone = "Europe/Berlin"
{cameras}
[http]
port = 0
token_file = "{folder}/token"
people_file = "{folder}/people.json"
[alarms.shift]
decisions = "FAIL"
share = 0.0776
parts = 370
level = "warning"
[archive]
folder = "{folder}/archive"
pass_share = 0.1
"""
    )
    made.set_clock(at(24, "21:00"))
    try:
        for entries in (SCRIPT[:KILLED_AFTER], SCRIPT[KILLED_AFTER:]):
            made.start(entries)
            for entry in entries:
                made.play(*entry)
                if set(entry[1]) == {"F"}:
                    made.act()
                made.told.append((entry[0], made.get("status")["shift"]["counts"]))
            if entries[0] == SCRIPT[0]:
                made.kill()
        yield made
    finally:
        made.end()


def test_the_script_has_what_it_should() -> None:
    assert count().total() == 1200
    assert set(count()) == set(DECISIONS)
    hours = Counter(hour for moment, parts in SCRIPT for hour in [moment.replace(minute=0)] for _ in parts)
    assert hours[at(25, "02:00")] > 0 < hours[at(25, "02:00", WINTER)]


def test_the_ledger_has_the_script(line: Line) -> None:
    path = line.folder / "line.ledger"
    assert verify_ledger(path).fault is None
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        found = connection.execute("SELECT camera, decision, part, decided_at FROM rows ORDER BY number")
        rows = found.fetchall()
    parts = [part for _, _, part, _ in rows]
    assert sorted(parts, key=lambda part: int(part[5:])) == [f"part-{n}" for n in range(1200)]
    for camera in CAMERAS:
        decisions = [decision for of, decision, _, _ in rows if of == camera]
        assert decisions == [SEEN[part] for _, parts in SCRIPT for part in parts]
    hours = Counter((at // (3600 * 10**9), decision) for _, decision, _, at in rows)
    assert hours == count_hours()


def test_each_shift_was_counted_on_as_it_went(line: Line) -> None:
    """Also by the line that was started in the middle of it."""
    for moment, counts in line.told:
        begin = max(start for start in (LATE, NIGHT, EARLY) if start <= moment)
        assert Counter(counts) == count(begin, moment + timedelta(seconds=1))


def test_metrics_of_both_processes_add_up(line: Line) -> None:
    wanted = Counter(
        {(camera, decision): n for camera in CAMERAS for decision, n in count(cameras=1).items()}
    )
    assert line.metrics + line.read_metrics() == wanted


@pytest.mark.parametrize(
    ("day", "start", "since", "until"),
    [(24, "14:00", LATE, NIGHT), (24, "22:00", NIGHT, EARLY), (25, "06:00", EARLY, END)],
)
def test_table_charts_index_and_export_of_a_shift(
    line: Line, tmp_path: Path, day: int, start: str, since: datetime, until: datetime
) -> None:
    shifts = line.get("shifts", day=f"2026-10-{day}")["shifts"]
    (shift,) = (one for one in shifts if one["start"] == start)
    assert (shift["since"], shift["until"]) == (nanoseconds(since), nanoseconds(until))
    wanted = count(since, until)

    table = line.client.get(
        "/api/report", params={"day": f"2026-10-{day}", "start": start, "form": "csv"}
    ).text
    rows = list(csv.reader(io.StringIO(table)))[1:]
    by_camera = {(camera, of): int(value) for name, camera, of, value in rows if name == "parts"}
    once = count(since, until, cameras=1)
    assert by_camera == {(camera, decision): once[decision] for camera in CAMERAS for decision in DECISIONS}
    by_hour = Counter()
    for name, _, of, value in rows:
        if name == "parts by hour":
            hour, decision = of.split()
            by_hour[nanoseconds(datetime.fromisoformat(hour)) // (3600 * 10**9), decision] = int(value)
    assert +by_hour == count_hours(since, until)

    span = {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
    charted = Counter(
        {
            (hour["begin"] // (3600 * 10**9), decision): n
            for hour in line.get("charts", **span)["hours"]
            for decision, n in hour["counts"].items()
        }
    )
    assert +charted == count_hours(since, until)
    for decision in DECISIONS:
        found = wait_for(
            lambda decision=decision: (
                (page := line.get("decisions", limit=1, decision=decision, **span))["total"] is not None
                and page
            )
        )
        assert found["total"] == wanted[decision]
        out = tmp_path / f"{decision}.csv"
        arguments = [
            "ledger", "export", str(line.folder / "line.ledger"), "--out", str(out), "--decision", decision,
            "--since", span["since"], "--until", span["until"],
        ]  # fmt: skip
        assert main(arguments) == 0
        with out.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == wanted[decision]


def test_stop_and_alarms_stand_in_the_report_of_the_night(line: Line) -> None:
    table = line.client.get("/api/report", params={"day": "2026-10-24", "start": "22:00", "form": "csv"}).text
    rows = list(csv.reader(io.StringIO(table)))[1:]
    assert [(camera, int(n)) for name, camera, _, n in rows if name == "INVALID"] == [
        (camera, 14) for camera in CAMERAS
    ]
    marked = {of: int(n) for name, _, of, n in rows if name == "marked"}
    assert marked == {"REVIEW called bad": 1, "REVIEW called good": 2}
    changes = [(camera, what.split(" ", 1)[1]) for name, camera, what, _ in rows if name == "change"]
    for camera in CAMERAS:
        assert (camera, "alarm by line: cleared to raised: FAIL 10/10") in changes
        # The line that was started again has counted on.
        assert (camera, "alarm by line: cleared to raised: FAIL 29/372 of the shift") in changes
    assert ("left", "alarm by Bert: raised to acknowledged") in changes


def test_the_worklist_has_what_is_not_settled(line: Line) -> None:
    assert line.get("worklist")["open"] == count()["REVIEW"] - 3


@pytest.fixture
def page(line: Line, browser: Browser) -> Iterator[Page]:
    """The page at 06:10 of the new day, as a panel in Berlin shows it."""
    context = browser.new_context(
        viewport={"width": 1920, "height": 1080}, locale="en-GB", timezone_id="Europe/Berlin"
    )
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.clock.install(time=datetime.fromtimestamp((time.time_ns() + (line.ahead or 0)) / 1e9, UTC))
    opened.goto(line.url)
    yield opened
    context.close()
    assert complaints == []


def test_the_page_shows_the_running_shift(page: Page) -> None:
    once = count(EARLY, END, cameras=1)
    for camera in CAMERAS:
        tile = page.locator("#overview button").filter(has_text=camera)
        share = f"{100 * once['FAIL'] / once.total():.1f}%"
        expect(tile).to_contain_text(f"FAIL {once['FAIL']} of {once.total()} · {share}")
        page.locator("#cameras").get_by_role("button", name=camera).click()
        for decision in DECISIONS:
            shown = page.locator(f"#counts [data-decision={decision}] .n")
            expect(shown).to_have_text(str(once[decision]))
        page.locator("#cameras").get_by_role("button", name="All").click()
    open_parts = count()["REVIEW"] - 3
    expect(page.locator("#worklist-open")).to_have_text(f"{open_parts} REVIEW parts to settle")
    page.locator("[data-view=reports]").click()
    numbers = [str(n) for n in (*(once[one] for one in DECISIONS), once.total())]
    for camera in CAMERAS:
        page.locator("#cameras").get_by_role("button", name=camera).click()
        expect(page.locator("#shift tbody tr td:nth-of-type(1)")).to_have_text(numbers)


def test_the_page_finds_the_parts_of_all_shifts(page: Page) -> None:
    page.locator("[data-view=look-back]").click()
    expect(page.locator("#found")).to_contain_text(re.compile("of 1,200, newest first"))
    page.get_by_role("combobox", name="Decision").select_option("REVIEW")
    expect(page.locator("#found")).to_contain_text(f"of {count()['REVIEW']}, newest first")


def test_the_report_of_the_night_opens_in_the_page(page: Page) -> None:
    page.locator("[data-view=reports]").click()
    page.get_by_role("radio", name="a past shift").check()
    page.get_by_role("textbox", name="Day").fill("2026-10-24")
    page.get_by_role("combobox", name="Begins at").select_option("22:00")
    page.get_by_role("button", name="Show the report").click()
    report = page.frame_locator("#report iframe")
    expect(report.locator("h1 + p")).to_contain_text("2026-10-24 22:00:00 to 2026-10-25 06:00:00")
    tables = report.locator("table").evaluate_all(
        "all => all.map(one => [...one.rows].map(row => [...row.cells].map(cell => cell.innerText.trim())))"
    )
    wanted, once = count(NIGHT, EARLY), count(NIGHT, EARLY, cameras=1)
    counts, hours = tables[0], next(table for table in tables if table[0][0] == "Hour from")
    for row, numbers in zip(counts[1:], [once, once, wanted], strict=True):
        assert [int(cell) for cell in row[1::2]] == [*(numbers[one] for one in DECISIONS), numbers.total()]
    by_hour = count_hours(NIGHT, EARLY)
    shown = {row[0]: [int(cell) for cell in row[1:]] for row in hours[1:]}
    assert shown == {
        name: [by_hour[nanoseconds(hour) // (3600 * 10**9), one] for one in DECISIONS]
        for name, hour in [
            ("2026-10-24 22:00:00", at(24, "22:00")),
            ("2026-10-24 23:00:00", at(24, "23:00")),
            ("2026-10-25 00:00:00", at(25, "00:00")),
            ("2026-10-25 01:00:00", at(25, "01:00")),
            ("2026-10-25 02:00:00 CEST", at(25, "02:00")),
            ("2026-10-25 02:00:00 CET", at(25, "02:00", WINTER)),
            ("2026-10-25 04:00:00", at(25, "04:00", WINTER)),
            ("2026-10-25 05:00:00", at(25, "05:00", WINTER)),
        ]
    }
