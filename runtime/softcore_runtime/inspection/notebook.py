"""Notebook: HTML for the cells of a notebook, as `_repr_html_` returns it.

Styles are inline, since a notebook may have any style sheet. Colours are inherited or have a background of
their own, so that the HTML is readable on a light page and on a dark one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_card"]

_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 88]
_LINE = "rgba(128,128,128,.35)"


def draw_card(
    title: str,
    rows: Iterable[tuple[str, str]],
    images: Iterable[tuple[str, NDArray[np.uint8]]] = (),
    colour: tuple[int, int, int] | None = None,
) -> str:
    """Draw a card: a title, images with their captions, and a table of names and values.

    Args:
        title: plain text, which is escaped like all text here.
        rows: names and values.
        images: captions and images uint8 BGR `[h, w, 3]`, embedded as JPEG in their size.
        colour: BGR background of the title, whose letters are then white; None for a plain title.

    Returns:
        HTML that loads nothing else.

    Example:
        >>> draw_card("PASS", [("score", "< 0.8")], colour=(70, 125, 35))
        '<div ...>PASS</span>...<td ...>&lt; 0.8</td>...</div>'
    """
    table = "".join(_draw_row(name, value) for name, value in rows)
    figures = "".join(_draw_figure(caption, image) for caption, image in images)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:12px 18px;align-items:flex-start;color:inherit;'
        f'font:13px/1.45 system-ui,sans-serif;padding:6px 0">{figures}'
        f'<div style="flex:1 1 240px;max-width:560px">{_draw_title(title, colour)}'
        f'<table style="border-collapse:collapse;margin:8px 0 0;font-size:13px">{table}</table></div></div>'
    )


def _draw_title(title: str, colour: tuple[int, int, int] | None) -> str:
    style = "display:inline-block;font-weight:600;font-size:15px"
    if colour:
        blue, green, red = colour
        style += f";background:rgb({red},{green},{blue});color:#fff;border-radius:4px;padding:2px 12px"
    return f'<span style="{style}">{escape(title)}</span>'


def _draw_row(name: str, value: str) -> str:
    cell = f"border:0;border-top:1px solid {_LINE};text-align:left;vertical-align:top;padding:3px"
    return (
        '<tr style="background:transparent">'
        f'<th scope="row" style="{cell} 14px 3px 0;font-weight:400;opacity:.75;white-space:nowrap">'
        f'{escape(name)}</th><td style="{cell} 0">{escape(value)}</td></tr>'
    )


def _draw_figure(caption: str, image: NDArray[np.uint8]) -> str:
    data = base64.b64encode(cv2.imencode(".jpg", image, _QUALITY)[1].tobytes()).decode()
    height, width = image.shape[:2]
    return (
        f'<figure style="margin:0;max-width:100%"><img src="data:image/jpeg;base64,{data}" '
        f'alt="{escape(caption)}" width="{width}" height="{height}" '
        'style="display:block;max-width:100%;height:auto;border-radius:4px;'
        f'box-shadow:0 0 0 1px {_LINE}">'
        f'<figcaption style="opacity:.75;font-size:12px;margin-top:3px">{escape(caption)}</figcaption>'
        "</figure>"
    )
