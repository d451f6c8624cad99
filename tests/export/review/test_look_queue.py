"""The queue of looks, of images whose digests are letters."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from softcore_export.contamination.look_order import LookOrder, LookValues
from softcore_export.review.image_card import ImageContent
from softcore_export.review.look_queue import LookQueue

DIGESTS = list("abcdefg")
SUSPICION = np.array([3.0, 2.0, 1.5, 0.9, 0.4, 0.01, 0.01])
CONTENTS = {
    digest: ImageContent([row], [f"{9 - row}/{digest}.png"], float(SUSPICION[row]))
    for row, digest in enumerate(DIGESTS)
}


def order_looks(answers: str = "") -> LookOrder:
    """Order images of which b, c and d look alike; those in `answers` are defective."""
    alike = np.zeros((7, 7), np.bool_)
    alike[1:4, 1:4] = ~np.eye(3, dtype=bool)
    learned = np.array([0.1, 0.9, 0.9, 0.9, 0.2, 0.1, 0.1])
    answered = np.array([1 if digest in answers else np.nan for digest in DIGESTS])
    return LookValues(SUSPICION, learned, np.zeros(7), csr_array(alike)).order(answered)


def test_one_is_shown_for_those_alike_where_looks_are_worth_it() -> None:
    queue = LookQueue(CONTENTS, DIGESTS, order_looks(), {})
    assert queue.find("worth", "worth", "", ()) == ["b", "a", "e"]
    assert queue.find_followers("b") == ["c", "d"]
    assert queue.find_followers("c") == []
    assert queue.find("all", "worth", "", ()) == ["b", "a", "e", "c", "d", "f", "g"]
    assert queue.find("all", "suspicion", "", ()) == DIGESTS
    assert queue.find("all", "name", "", ()) == DIGESTS[::-1]
    assert queue.find("suspects", "suspicion", "", ()) == ["a", "b", "c"]
    assert queue.find("chosen", "worth", "", {"d", "a"}) == ["a", "d"]
    assert queue.find("all", "worth", " /F.", ()) == ["f"]


def test_what_was_asked_stays_in_its_place() -> None:
    first = LookQueue(CONTENTS, DIGESTS, order_looks(), {})
    asked = first.list_asked("bcd")
    assert asked == {"b": ["c", "d"]}
    queue = LookQueue(CONTENTS, DIGESTS, order_looks("bcd"), asked)
    found = queue.find("worth", "worth", "", ())
    assert found[0] == "b"
    assert found.index("e") < found.index("a")  # those near it in rank are likelier to be defective now
    assert queue.find_followers("b") == ["c", "d"]

    # Opened, and answered alone: those like it are asked about on their own.
    alone = LookQueue(CONTENTS, DIGESTS, order_looks("b"), first.list_asked("b"))
    assert alone.find("worth", "worth", "", ())[:2] == ["b", "c"]
    assert (alone.find_followers("b"), alone.find_followers("c")) == ([], ["d"])

    # After an export it is gone.
    assert "b" not in LookQueue(CONTENTS, DIGESTS, order_looks("bcd"), {}).find("worth", "worth", "", ())


def test_the_rest_is_told() -> None:
    queue = LookQueue(CONTENTS, DIGESTS, order_looks(), {})
    assert queue.describe_rest("") == (
        "The other 2 images aren't worth a look: together they would change less than 0.1 % of the memory "
        "bank, by what is expected."
    )
    assert queue.describe_rest("f").startswith("The other image isn't worth a look: it would change")
    assert queue.describe_rest("fg") == "These are all images that nobody has decided about."


def test_images_with_the_same_content_are_shown_once() -> None:
    digests = ["a", "b", "b", "c", "e", "f", "g"]
    contents = {digest: CONTENTS[digest] for digest in digests if digest != "b"}
    contents["b"] = ImageContent([1, 2], ["b.png", "again.png"], 2.0)
    queue = LookQueue(contents, digests, order_looks(), {})
    assert queue.find("worth", "worth", "", ()) == ["b", "a", "e"]
    assert queue.find_followers("b") == ["c"]
