"""Look queue: which images the page shows, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Literal

from softcore_export.contamination.look_order import LookOrder
from softcore_export.review.image_card import ImageContent

__all__ = ["ImageFilter", "ImageOrder", "LookQueue"]

ImageFilter = Literal["worth", "suspects", "all", "chosen"]
ImageOrder = Literal["worth", "suspicion", "name"]


class LookQueue:
    """The images in the order in which a look at them is worth it, and in others.

    A queue is made for an export. After each answer it is made again, as the answer tells of other images,
    too; what was asked since the export then stays in its place.

    Args:
        contents: of the images, by their SHA-256, the most suspect first.
        digests: SHA-256 of each training image, `[N]`.
        order: of these training images.
        asked: what was asked since the export: the images that were shown, and those for which each stood.
    """

    def __init__(
        self,
        contents: Mapping[str, ImageContent],
        digests: Sequence[str],
        order: LookOrder,
        asked: Mapping[str, list[str]],
    ) -> None:
        self._contents = contents
        self._followers = {digest: list(own) for digest, own in asked.items()}
        known = {digest for lead, own in asked.items() for digest in (lead, *own)}
        for row in order.worthwhile:
            digest = digests[row]
            if digest in known:  # an image with the same content may have another leader
                continue
            own = [digests[other] for lead in contents[digest].rows for other in order.find_followers(lead)]
            self._followers[digest] = [other for other in dict.fromkeys(own) if other not in {digest, *known}]
            known |= {digest, *self._followers[digest]}
        self._by_worth = list(dict.fromkeys([*self._followers, *(digests[row] for row in order.rows)]))
        self._rest = order.rest

    def list_asked(self, answered: Container[str]) -> dict[str, list[str]]:
        """List the images that were shown and answered, and those for which each stood, if they were, too."""
        return {
            digest: [other for other in own if other in answered]
            for digest, own in self._followers.items()
            if digest in answered
        }

    def find(self, show: ImageFilter, order: ImageOrder, name: str, chosen: Container[str]) -> list[str]:
        """Return the digests of the images that pass a filter.

        Args:
            show: the filter; `worth` shows one for all that look alike.
            order: in which they are returned.
            name: part of the file's name.
            chosen: digests of the images about which a person has decided.
        """
        passes: dict[ImageFilter, Callable[[str], bool]] = {
            "worth": self._followers.__contains__,
            "suspects": lambda digest: self._contents[digest].suspicion > 1,
            "all": lambda _: True,
            "chosen": lambda digest: digest in chosen,
        }
        wanted = name.strip().casefold()
        return [
            digest
            for digest in self._sort(order)
            if passes[show](digest) and any(wanted in own.casefold() for own in self._contents[digest].names)
        ]

    def find_followers(self, digest: str) -> list[str]:
        """Return the digests of the images for which one is shown where looks are worth it."""
        return self._followers.get(digest, [])

    def describe_rest(self, chosen: Container[str]) -> str:
        """Describe, in a sentence or two, the images that are not worth a look."""
        queued = {digest for lead, own in self._followers.items() for digest in (lead, *own)}
        rest = sum(digest not in queued and digest not in chosen for digest in self._contents)
        if not rest:
            return "These are all images that nobody has decided about."
        others = "other image isn't" if rest == 1 else f"other {rest:,} images aren't"
        share = "less than 0.1" if self._rest < 0.001 else f"about {100 * self._rest:.1f}"
        changed = f"{share} % of the memory bank"
        return (
            f"The {others} worth a look: {'it' if rest == 1 else 'together they'} would change {changed}, "
            "by what is expected."
        )

    def _sort(self, order: ImageOrder) -> list[str]:
        if order == "suspicion":
            return list(self._contents)
        if order == "name":
            return sorted(self._contents, key=lambda digest: self._contents[digest].names[0])
        return self._by_worth
