"""Phrases: what the line says in plain words, read as keys and values that a page can say in any language.

The ledger, the log and the outputs keep the words. Reading them, instead of keeping keys beside them, also
serves the ledgers of earlier versions. What is said in no known way has the key `other` and itself as value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["PHRASES", "Phrase", "read_all", "read_phrases"]

_SEPARATOR: Final = "; "
_LONGEST: Final = 500  # characters; what is longer quotes something, and takes long to read

# What is said, by key. A value is as short as it can be, and may not be empty.
PHRASES: Final = {
    # of frames, by the camera and the checks
    "black": "the image is black",
    "frozen": "the image has not changed for {seconds} s",
    "dark": "too dark: its mean grey level is {grey}, that of the darkest training image {bound}",
    "bright": "too bright: its mean grey level is {grey}, that of the brightest training image {bound}",
    "flat": "without contrast: its grey levels differ by {contrast}, in training by {bound} at least",
    "blurred": "blurred: its sharpness is {sharpness}, in training {bound} at least",
    "size": "the image has {width} x {height} pixels, and at the start it had {width_before} x "
    "{height_before} pixels",
    "silent": "no new frame for {seconds} s (the {device} is being reopened)",
    "silent.why": "no new frame for {seconds} s (the {device} is being reopened): {fault}",
    "ended": "the recording has come to its end",
    "misplaced.quality": "the part is not where it should be (alignment quality {quality}, at least {bound} "
    "is needed)",
    "misplaced.outside": "the part is not where it should be ({percent} % of its edges are outside the "
    "frame)",
    "unreadable.damaged": "not an image, or a damaged one",
    "unreadable.why": "can't be read ({fault})",
    "unreadable.empty": "the file is empty",
    # of decisions, by the line
    "ledger": "the ledger can't be written ({fault})",
    "late.turn": "late: its turn came only after {seconds} s",
    "late.frame": "late: still without a frame after {seconds} s",
    "late.waiting": "late: still waiting for its turn after {seconds} s",
    "late.inspection": "late: still being inspected after {seconds} s",
    "late.entered": "late: decided on, but entered only after {seconds} s",
    "late.unentered": "late: decided on, but not entered after {seconds} s",
    "overflow.full": "too many triggers: {waiting} wait for their decision",
    "overflow.late": "too many triggers: {waiting} wait, and it would come too late",
    "stopped.page": "the line was stopped on the page",
    "stopped.end": "the line was stopped before it was decided on",
    "internal": "internal error: {fault}",
    "internal.score": "the score is {score}",
    # of the line's state
    "plc.waits": "the PLC at {address} was not reached yet",
    "plc.away": "the PLC at {address} can't be reached",
    "plc.silent": "the PLC at {address} does not answer",
    "broker.waits": "has not answered as an MQTT 5 broker yet",
    "broker.refuses": "refuses the connection ({fault})",
    "broker.away": "can't be reached ({fault})",
    "broker.lost": "the connection is lost",
    "output.waits": "{place}: has not answered yet",
    "output.silent": "{place}: has not answered for {seconds} s",
    "output.refuses": "{place}: refuses the connection ({fault})",
    "output.away": "{place}: can't be reached ({fault})",
    "output.lost": "{place}: the connection is lost",
    "output.decisions": "{place}: refuses the decisions ({fault})",
    "disk.scarce": "{place}: only {gigabytes} GB are free",
    "archive.why": "archive {place}: can't be written ({fault}); parts are not kept until it can",
    "stuck.inspection": "{camera}: an inspection has taken {seconds} s",
    "stuck.ledger": "the ledger's disk has not answered for {seconds} s",
    "camera.stopped": "camera {camera}: stopped on the page",
    "alarm.ledger": "ledger {place}: another program has written to it; verify it",
    "alarm.share": "{camera}, {category}: {share} of the latest parts are {decision}, usually {usual} at "
    "most ({pace} alarm)",
    **{
        f"alarm.{way}.{reference}": f"{{camera}}, {{category}}: {{quantity}} {{change}} {way} than {when} "
        "({pace} alarm)"
        for way in ("higher", "lower")
        for reference, when in (
            ("training", "in training"),
            ("calibration", "at calibration"),
            ("first", "for the first {parts} that were measured"),
        )
    },
    # of requests that are refused
    "refused.part": "no part of that trigger was found in the ledger",
    "refused.image": "the camera has given no image yet",
    "refused.ledger": "this needs a ledger (--ledger FILE)",
    "refused.ledger.changes": "this needs a ledger (--ledger FILE), which keeps what is changed and by whom",
    "refused.rows": "the ledger has too many rows to be looked through; ask for a shorter time",
    "refused.unknown": "the line ends; whether that was done is not known",
    "refused.secret": "name, PIN or badge is wrong",
    "refused.tries": "too many wrong tries; wait {seconds} s",
    "refused.role": "this needs the role {role}; {person} is {own_role}",
    "refused.review": "this part is {decision}, and only REVIEW is settled",
    "refused.settled": "this part is settled already: {mark}",
    "refused.report": "that time has {parts} parts; a report takes {most} at most",
    "refused.zone": "fail_above ({upper}) must not be below value ({lower})",
    "refused.signed": "{recipe}: this line takes signed thresholds only, and the page can't sign one; set it "
    "with softcore-calibrate --sign KEY",
    "refused.login": "this needs somebody who is logged in, or the line's token as {header}",
    "refused.token": "this needs the line's token, as {header} or as a bearer's",
    "refused.no-token": "nothing can be changed over HTTP: the line has no token; start it with "
    "--token-file FILE (http.token_file)",
    "refused.site": "a page of another site may ask for nothing here",
    "refused.connections": "too many connections are open; close some, or ask again later",
    "refused.events": "too many clients follow the events already; ask again later",
    "refused.alarm": "{camera}: alarm {rule} is not raised, but {state}",
    "refused.trigger": "{camera}: triggers itself",
    "refused.ending": "{camera}: is just ending",
    "refused.shadow": "{camera}: no shadow runs beside its bundle",
    "refused.shadow.recipe": "{camera}: recipe {recipe} is not in use now, {other} is",
    "refused.shadow.other": "{camera}: its shadow is another bundle than the one to be promoted",
}
_QUANTITIES: Final = {
    "scores of good parts are": "score",
    **{f"{one} of the images is": one for one in ("brightness", "contrast", "sharpness")},
}
_OLDER: Final = "^the picture "  # as ledgers have it that were written up to 0.1


@dataclass(frozen=True)
class Phrase:
    """A key of `PHRASES`, or `other`, and the values in its places, as texts."""

    key: str
    values: dict[str, str]


def read_phrases(said: str) -> list[Phrase]:
    """Read what the line says: one phrase, or several between which it puts semicolons.

    Example:
        >>> read_phrases("the image has not changed for 5.0 s")
        [Phrase(key='frozen', values={'seconds': '5.0'})]
        >>> [phrase.key for phrase in read_phrases("late: still being inspected after 1.00 s; lens fell off")]
        ['late.inspection', 'other']
    """
    found: list[Phrase] = []
    while said:
        if len(said) > _LONGEST:
            return [*found, Phrase("other", {"text": said})]
        phrase, said = _read_first(said)
        found.append(phrase)
    return found


def read_all(texts: Iterable[str | None]) -> dict[str, list[Phrase]]:
    """Read several texts; returns the phrases of those that are said in a known way, by the text.

    Example:
        >>> read_all(["the image is black", None, "lens fell off"])
        {'the image is black': [Phrase(key='black', values={})]}
    """
    read = {text: read_phrases(text) for text in texts if text}
    return {
        text: phrases for text, phrases in read.items() if any(phrase.key != "other" for phrase in phrases)
    }


def _read_first(said: str) -> tuple[Phrase, str]:
    """Read the first phrase; returns it and what follows."""
    modern = re.sub(_OLDER, "the image ", said)
    for key, pattern in _PATTERNS.items():
        if found := pattern.match(modern):
            values = {**found.groupdict()}
            if "quantity" in values:
                values["quantity"] = _QUANTITIES[values["quantity"]]
            return Phrase(key, values), modern[found.end() :]
    text, _, rest = said.partition(_SEPARATOR)
    return Phrase("other", {"text": text}), rest


def _compile(form: str) -> re.Pattern[str]:
    """Compile what finds a phrase at the beginning of a text, with the separator behind it."""
    pieces = re.split(r"\{(\w+)\}", form)
    one_of = {"quantity": "|".join(_QUANTITIES), "decision": "PASS|REVIEW|FAIL|INVALID", "pace": "fast|slow"}
    texts = [
        re.escape(piece) if place % 2 == 0 else f"(?P<{piece}>{one_of.get(piece, '.+?')})"
        for place, piece in enumerate(pieces)
    ]
    return re.compile(f"{''.join(texts)}(?:{re.escape(_SEPARATOR)}|$)")


_PATTERNS: Final = {key: _compile(form) for key, form in PHRASES.items()}
