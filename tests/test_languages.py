"""No text of any page bypasses the catalogues, and these agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.languages import (
    find_raw_strings,
    find_raw_texts,
    list_placeholders,
    list_script_texts,
    list_template_texts,
)

ROOT = Path(__file__).parent.parent
OPERATOR = ROOT / "edge_app/softcore_edge_app/web"
KEYED = [OPERATOR / "page/index.html", *sorted(OPERATOR.rglob("*.js")), *sorted(OPERATOR.rglob("*.j2"))]
PACKAGES = {  # by the folder of a package: its pages, of which the English texts are the catalogue's keys
    "export/softcore_export": ["report/*.j2", "review/*.j2", "review/page/*.js"],
    "calibration/softcore_calibration": ["report/*.j2", "report/*.js", "comparison/*.j2"],
}
TEXTED = [
    path for folder, some in PACKAGES.items() for one in some for path in sorted((ROOT / folder).glob(one))
]


def read(file: Path) -> dict[str, str]:
    texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return texts


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def find_texts(path: Path) -> set[str]:
    return list_script_texts(path) if path.suffix == ".js" else list_template_texts(path)


@pytest.mark.parametrize("path", [*KEYED, *TEXTED], ids=name)
def test_no_text_of_a_page_bypasses_the_catalogue(path: Path) -> None:
    package = next((folder for folder in PACKAGES if (ROOT / folder) in path.parents), None)
    known = read(ROOT / package / "catalogue.de.json") if package else ()
    found = find_raw_strings(path, known) if path.suffix == ".js" else find_raw_texts(path)
    assert not (lines := list(found)), "\n".join(lines)


@pytest.mark.parametrize("path", [path for path in TEXTED if path.suffix == ".j2"], ids=name)
def test_each_text_of_a_template_is_in_the_german_catalogue(path: Path) -> None:
    package = next(folder for folder in PACKAGES if (ROOT / folder) in path.parents)
    missing = find_texts(path) - set(read(ROOT / package / "catalogue.de.json"))
    assert not missing, f"add to {package}/catalogue.de.json: {sorted(missing)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_text_of_a_catalogue_is_used(package: str) -> None:
    """By a template, by a script, or by a module, whose words are read by forms."""
    used = {text for path in TEXTED if (ROOT / package) in path.parents for text in find_texts(path)}
    modules = "\n".join(
        path.read_text(encoding="utf-8")
        for top in (package, "runtime")
        for path in (ROOT / top).rglob("*.py")
    )
    words = set(re.findall(r"[\w'-]+", modules))
    for text in read(ROOT / package / "catalogue.de.json"):
        said = re.findall(r"[\w'-]+", re.sub(r"\{\w+\}|%\(\w+\)s|<[^>]*>", " ", text))
        assert text in used or all(
            re.sub(r"s$", "", word) in words or word in words or word.isdigit() for word in said
        ), text


@pytest.mark.parametrize("package", PACKAGES)
def test_german_has_the_places_of_english(package: str) -> None:
    for english, german in read(ROOT / package / "catalogue.de.json").items():
        assert list_placeholders(english) == list_placeholders(german), english
        assert german.strip(), english


def test_both_catalogues_of_the_operators_page_have_the_same_keys_and_places() -> None:
    english, german = (read(OPERATOR / f"page/catalogue.{one}.json") for one in ("en", "de"))
    assert list(english) == list(german)
    for key, text in english.items():
        if key != "kind.told":  # English words say their kind by themselves
            assert list_placeholders(text) == list_placeholders(german[key]), key


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/softcore_*/**/*.css")), ids=name)
def test_no_style_says_anything(path: Path) -> None:
    for said in re.findall(r'content:\s*"([^"]*)"', path.read_text(encoding="utf-8")):
        assert not re.search(r"[A-Za-z]{2,}", said), f"{path}: use attr(data-name) in place of {said!r}"


# --- What the checks find --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        "<p>Some text</p>", "<p>{% if x %}Some{% endif %}</p>", '<img alt="The part">',
        '<a title="{{ n }} parts">x</a>',
        '<p>{{ "good parts" if x else y }}</p>', "<p>{{ n }} parts</p>",
    ],
)  # fmt: skip
def test_a_raw_text_of_a_template_is_found(raw: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html.j2"
    path.write_text(f"<html>\n{raw}</html>")
    (line,) = find_raw_texts(path)
    assert line.startswith(f"{path}:2: ")


def test_a_text_from_the_catalogue_is_none(tmp_path: Path) -> None:
    path = tmp_path / "page.html.j2"
    path.write_text(
        '<p title="{{ _("A part") }}">{% trans n=2 %}{{ n }} parts{% endtrans %} <code>--good</code></p>'
        "<p>AUROC 5 ms</p>"
        '<p lang="de">Deutsch</p><style>a { color: red }</style><i class="some name"></i>{# A comment #}'
    )
    assert list(find_raw_texts(path)) == []


@pytest.mark.parametrize(
    "raw",
    [
        'node.textContent = "Saved";',
        "setText(node, `${n} parts found`);",
        'tell("No such part");',
        'x("{n} parts are left")',
    ],
)
def test_a_raw_string_of_a_script_is_found(raw: str, tmp_path: Path) -> None:
    path = tmp_path / "part.js"
    path.write_text(f"// Part: a comment.\n{raw}\n")
    (line,) = find_raw_strings(path)
    assert line.startswith(f"{path}:2: ")


def test_a_string_that_nobody_reads_is_none(tmp_path: Path) -> None:
    path = tmp_path / "part.js"
    path.write_text(
        'document.querySelector("main p");\nelement("p", { class: "large red" });\n'
        'if (event.key === "Escape") say("part.time");\nsay("{n} parts");\n'
    )
    assert list(find_raw_strings(path, ["{n} parts"])) == []
