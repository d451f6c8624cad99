"""Message: an English text that remembers what it was made of, so that a page can say it in another language."""

from __future__ import annotations

from typing import Any

__all__ = ["Message", "count"]


class Message(str):
    """A text, and the form and values that it was made of.

    Wherever a text is expected it is the English one: in a terminal, in a log, in a file. A `Catalogue` says it
    in another language.

    Args:
        form: English, with `{names}`.
        values: what stands for them; texts that are messages are said in the other language, too.

    Example:
        >>> message = Message("{n} images in {folder}", n=3, folder="good")
        >>> message, message.form
        ('3 images in good', '{n} images in {folder}')
    """

    form: str
    values: dict[str, Any]

    def __new__(cls, form: str, **values: object) -> Message:
        message = super().__new__(cls, form.format_map(values))
        message.form, message.values = form, values
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:  # type: ignore[override]
        return (self.form,), self.values


def count(n: int, one: str, many: str, **values: object) -> Message:
    """Return the message for one, or for another number; `{n}` is the number.

    Example:
        >>> count(1, "{n} image", "{n} images"), count(1200, "{n} image", "{n} images")
        ('1 image', '1,200 images')
    """
    return Message(one if n == 1 else many, n=f"{n:,}", **values)
