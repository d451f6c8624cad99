from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from markupsafe import escape
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.note import Change, Note
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries import production_figures as figures_module
from softcore_edge_app.queries.parts import Part
from softcore_edge_app.queries.production_figures import (
    DecisionCount,
    Downtime,
    InvalidReason,
    ProductionFigures,
)
from softcore_edge_app.web.language.catalogue import Language
from softcore_edge_app.web.port.server import WebServer
from softcore_edge_app.web.shifts.report import Theme, format_clock, render_page, render_table
from softcore_runtime import Decision

from ..conftest import START
from ..test_history_api import iso

EVIL = "<script>alert(1)</script>\"'&"


class ReportParser(HTMLParser):
    """Collects a page's text, tags and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.language: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.language = dict(attributes).get("lang", self.language)
        self.links += [value or "" for name, value in attributes if name in ("src", "href")]
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> ReportParser:
    parser = ReportParser()
    parser.feed(page)
    return parser


def test_a_page_to_take_away(stranger: httpx.Client) -> None:
    answer = stranger.get("/api/report", params={"since": iso(0), "until": iso(60)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    name = re.fullmatch(
        r'attachment; filename="(softcore-[-\d]+\.html)"', answer.headers["content-disposition"]
    )
    assert name
    page = read(answer.text)
    assert "script" not in page.tags
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert len(page.links) == 8 + 1  # the worst parts, and what the regions are drawn on
    words = " ".join(page.text.split())
    for told in (
        "PASSshareREVIEWshareFAILshareINVALIDshareall",
        "left4676.67 %00.00 %813.33 %610.00 %60",
        "upper right8100.00 %100.00 %",
        "FAIL 1.50 \N{MULTIPLICATION SIGN} threshold",
        "no new frame for 2.0 s (the camera is being reopened)",
    ):
        assert told.replace(" ", "") in words.replace(" ", ""), told


def test_a_page_in_german(stranger: httpx.Client) -> None:
    """Each text is another one than in English; names, and the line's own words, stay as they are."""
    english, german = (
        read(stranger.get("/api/report", params={"since": iso(0), "until": iso(60), "language": one}).text)
        for one in ("en", "de")
    )
    assert (german.language, english.language) == ("de", "en")
    assert german.tags == english.tags
    told = " ".join(german.text[german.text.rindex("Schichtbericht") :].split())  # below the style
    for text in (
        "Schichtbericht",
        "i. O. Anteil PRÜFEN Anteil n. i. O. Anteil UNGÜLTIG Anteil alle",
        "left 46 76,67 % 0 0,00 % 8 13,33 % 6 10,00 % 60",
        "oben rechts 8 100,00 % 100,00 %",
        "n. i. O. 1,50 \N{MULTIPLICATION SIGN} Grenze",
        "seit 2,0 s kein neues Bild (Kamera wird neu geöffnet)",
    ):
        assert text.replace(" ", "") in told.replace(" ", ""), text
    for text in ("Parts", "share", "PASS", "FAIL", "INVALID", "limit"):
        assert text not in told


def test_a_table_for_a_spreadsheet(stranger: httpx.Client) -> None:
    answer = stranger.get("/api/report", params={"since": iso(0), "until": iso(60), "form": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    found = {(row["figure"], row["camera"], row["of"]): row["value"] for row in rows}
    assert found["parts", "left", "PASS"] == "46"
    assert float(found["share", "left", "INVALID"]) == pytest.approx(0.1)
    assert found["region", "left", "upper right"] == "8"
    assert found["INVALID", "left", "camera"] == "6"
    assert found["worst part", "left", "part 6"] == "1.5"
    assert found["parts by threshold", "left", "pill 12.0 to 13.0"] == "60"


def test_without_a_time_it_is_this_shift(stranger: httpx.Client) -> None:
    page = read(stranger.get("/api/report").text)
    assert "No part was decided on in this time." in page.text
    answer = stranger.get(
        "/api/report", params={"form": "csv", "since": iso(0), "until": "9999-01-01T00:00Z"}
    )
    assert "left,PASS,46" in answer.text


def test_a_past_shift_by_its_day_and_start(line: Any) -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin = datetime.fromtimestamp(START / 1e9, zone)
    calendar = ShiftCalendar((begin.time().replace(second=0, microsecond=0),), zone)
    (shift,) = calendar.list_day(begin.date())
    server = WebServer(
        HttpOptions(port=0), line, lambda: (b"", "x"), ledger=line.ledger.path, calendar=calendar
    )
    server.start()
    try:
        with httpx.Client(base_url=server.url) as client:
            day, start = begin.date().isoformat(), begin.strftime("%H:%M")
            assert client.get("/api/shifts", params={"day": day}).json() == {
                "shifts": [{"day": day, "start": start, "since": shift.since, "until": shift.until}]
            }
            answer = client.get("/api/report", params={"day": day, "start": start, "form": "csv"})
            assert "left,PASS,46" in answer.text
            assert f'"softcore-{day}-{begin:%H%M}.csv"' in answer.headers["content-disposition"]
            page = read(client.get("/api/report", params={"day": day}).text)  # the only one of that day
            assert f"{begin:%Y-%m-%d %H:%M}:00" in page.text
            answer = client.get("/api/report", params={"day": day, "start": "03:33"})
            assert (answer.status_code, answer.json()["detail"]) == (
                409,
                f"{day}: no shift begins at 03:33; there are: {start}",
            )
            for wrong in ({"day": day, "start": "3:33"}, {"day": "0"}, {"day": "1790000000"}):
                assert client.get("/api/report", params=wrong).status_code == 422
            for far in ("0001-01-01", "1969-12-31", "9999-12-31"):
                assert client.get("/api/shifts", params={"day": far}).json() == {"shifts": []}
    finally:
        server.close()


def test_an_hour_that_the_clock_shows_twice_is_told_apart() -> None:
    zone, hour = ZoneInfo("Europe/Berlin"), 3600 * 10**9
    first = int(datetime(2026, 10, 25, 0, tzinfo=timezone.utc).timestamp()) * 10**9
    assert [format_clock(zone, first + number * hour) for number in range(-1, 3)] == [
        "2026-10-25 01:00:00",
        "2026-10-25 02:00:00 CEST",
        "2026-10-25 02:00:00 CET",
        "2026-10-25 03:00:00",
    ]


@pytest.mark.parametrize("query", [{"form": "pdf"}, {"since": "x"}, {"until": "12"}, {"form": ""}])
def test_a_report_that_is_none(stranger: httpx.Client, query: dict[str, str]) -> None:
    assert stranger.get("/api/report", params=query).status_code == 422


def test_a_time_that_is_too_long_is_refused(stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "MOST", 20)
    answer = stranger.get("/api/report", params={"since": iso(0)})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "that time has 60 parts; a report takes 20 at most",
    )


def make_figures(decide: Callable[..., PublishedDecision], text: str) -> ProductionFigures:
    entry = decide(1, camera=text, category=text, part=text, decision=Decision.FAIL, score=20.0).record
    part = Part(Row.chain(entry, 1, ""), "good")
    change = Change("limit", text, text, text, text, text)
    return ProductionFigures(
        since=0,
        until=10**18,
        groups=[DecisionCount(text, text, 12.0, 13.0, hour, Decision.FAIL, 3) for hour in (0, 1)],
        regions={text: Counter({(0, 0): 2, (11, 11): 1, (5, 5): 1})},
        reasons=[InvalidReason(text, "other", 1, text)],
        stops=[Downtime(text, 0, 10**12, text, 3)],
        stops_omitted=0,
        worst=[part],
        marked=Counter({(Decision.FAIL, "good"): 1}),
        notes=[Note.chain(change, 1, 1, row=0, row_hash="", previous="")],
        notes_omitted=0,
    )


def test_names_are_only_names(decide: Callable[..., PublishedDecision]) -> None:
    page = render_page(make_figures(decide, EVIL), lambda _part, _kind: None, {})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10
    assert EVIL in read(page).text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Stop", "Start", "was bad", "operator's page")),
        ("de", ("Anhalten", "Starten", "war schlecht", "Bedienseite")),
    ],
)
def test_changes_are_described_in_words(
    decide: Callable[..., PublishedDecision], language: Language, words: tuple[str, str, str, str]
) -> None:
    changes = [
        Change("running", "left", None, "true", "false", "page"),
        Change("running", "left", None, "false", "true", "page"),
        Change("mark", "left", "run-1", None, "bad", "page"),
        Change("limit", "left", "pill", "12.0", "13.0", "page"),
    ]
    notes = [Note.chain(change, 1, 1, row=0, row_hash="", previous="") for change in changes]
    page = render_page(
        replace(make_figures(decide, "left"), notes=notes), lambda _part, _kind: None, {}, language
    )
    stop, start, bad, page_itself = words
    rows = re.findall(rf"<td>([^<]*)</td><td>([^<]*)</td><td>{escape(page_itself)}</td>", page)
    assert rows == [(start, stop), (stop, start), ("\u2013", bad), ("12.0", "13.0")]


def test_what_is_left_out_is_said(decide: Callable[..., PublishedDecision]) -> None:
    figures = replace(make_figures(decide, "left"), stops_omitted=4, notes_omitted=17)
    page = render_page(figures, lambda _part, _kind: None, {})
    assert re.findall(r"And (\d+) more, which the ledger has", page) == ["4", "17"]
    rows = render_table(figures).splitlines()
    assert {"stops omitted,,,4", "changes omitted,,,17"} <= set(rows)
    assert "more" not in read(render_page(make_figures(decide, "left"), lambda _part, _kind: None, {})).text


@pytest.mark.parametrize(
    ("theme", "media"),
    [("light", []), ("dark", ["screen"]), (None, ["screen and (prefers-color-scheme: dark)"])],
)
def test_it_is_dark_where_the_page_is(
    decide: Callable[..., PublishedDecision], theme: Theme | None, media: list[str]
) -> None:
    page = render_page(make_figures(decide, "left"), lambda _part, _kind: None, {}, theme=theme)
    assert re.findall(r"@media ([^{]*[^{ ]) \{ :root", page) == media


def test_a_spreadsheet_takes_nothing_for_a_formula(decide: Callable[..., PublishedDecision]) -> None:
    table = render_table(make_figures(decide, '=HYPERLINK("http://evil.example")'))
    cells = [cell for row in csv.reader(io.StringIO(table, newline="")) for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@")) or re.match(r"-\D", cell)]


def test_times_beyond_any_calendar_are_written_too(decide: Callable[..., PublishedDecision]) -> None:
    figures = make_figures(decide, "left")
    for time, told in ((2**63 - 1, "2262"), (-(2**63), "1677"), (10**21, f"{10**21}ns")):
        odd: Any = replace(figures, since=time)
        assert told in render_page(odd, lambda _part, _kind: None, {})
        assert told in render_table(odd)
