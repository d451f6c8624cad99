"""Refusals say why in the language that is asked for; English is what programs get."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from softcore_edge_app.decisions.phrases import PHRASES
from softcore_edge_app.web.language.refusal import describe_refusal
from starlette.datastructures import Headers

from ....docs.messages import HOLE, read_messages
from ..conftest import TOKEN

GERMAN = {"Accept-Language": "de"}
EDGE_APP = Path(__file__).parents[4] / "edge_app"
MESSAGES = [message for message in read_messages(EDGE_APP) if "phrases.py" not in message.place]


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("name, PIN or badge is wrong", "Name, PIN oder Ausweis ist falsch"),
        (
            "this needs the role setter; Bert is operator",
            "dazu braucht es die Rolle Einrichter; Bert ist Bediener",
        ),
        (
            "this part is PASS, and only REVIEW is settled",
            "dieses Teil ist i. O.; entschieden wird nur über PRÜFEN",
        ),
        ("this part is settled already: bad", "über dieses Teil ist schon entschieden: schlecht"),
        (
            "fail_above (1.25) must not be below value (2.5)",
            "die obere Grenze (1,25) darf nicht unter der unteren (2,5) liegen",
        ),
        (
            "left: alarm fail-run is not raised, but cleared",
            "left: der Alarm fail-run ist nicht ausgelöst, sondern beendet",
        ),
        ("the lens fell off", "the lens fell off"),
    ],
)
def test_it_is_told_in_german_where_that_is_asked_for(why: str, told: str) -> None:
    for asked in ("de", "de-AT,de;q=0.9", "DE"):
        assert describe_refusal(why, Headers({"Accept-Language": asked})).replace("\u00a0", " ") == told
    for asked in ({}, {"Accept-Language": "en-GB,de;q=0.5"}, {"Accept-Language": "fr"}):
        assert describe_refusal(why, Headers(asked)) == why


@pytest.mark.parametrize("key", [key for key in PHRASES if key.startswith("refused.")])
def test_each_refusal_is_what_the_code_says(key: str) -> None:
    said = re.sub(r"\{\w+\}", HOLE, PHRASES[key].removeprefix("{camera}: "))
    assert any(message.fits(said) for message in MESSAGES)


def test_the_port_answers_in_the_language(client: httpx.Client, stranger: httpx.Client) -> None:
    missing = client.get("/api/decisions/none", headers=GERMAN)
    assert (missing.status_code, missing.json()["detail"]) == (
        404,
        "zu dieser Auslösung steht kein Teil im Protokoll",
    )
    assert client.get("/api/decisions/none").json()["detail"] == PHRASES["refused.part"]
    locked = stranger.post("/api/running", json={"running": False}, headers=GERMAN)
    assert locked.status_code == 403
    assert locked.json()["detail"].startswith("dazu braucht es das Token der Linie, als X-SoftCore-Token")
    wrong = {"value": 2.0, "fail_above": 1.0}
    answer = client.post("/api/limit", json=wrong, headers={**GERMAN, "X-SoftCore-Token": TOKEN})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "die obere Grenze (1) darf nicht unter der unteren (2) liegen",
    )
    gone = client.get("/api/none", headers=GERMAN)
    assert (gone.status_code, json.loads(gone.text)["detail"]) == (404, "Not Found")
