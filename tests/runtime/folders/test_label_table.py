from __future__ import annotations

import codecs
import os
import unicodedata
from pathlib import Path

import pytest
from softcore_runtime.errors import DataError, UsageError
from softcore_runtime.folders.label_table import read_label_table

ROWS = [
    ("label", "part", "path"),
    ("good", "1", "grün/000.png"),
    ("NG", "2", "spot/000.png"),
    ("ok", "3", "grün/001.png"),
]
ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with a mark": ("utf-8", codecs.BOM_UTF8),
    "UTF-16": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16 of the other end": ("utf-16-be", codecs.BOM_UTF16_BE),
    "Windows-1252": ("cp1252", b""),
}


def write(folder: Path, text: str | bytes) -> Path:
    table = folder / "labels.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return table


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_table_is_read_as_it_was_written(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    name, mark = ENCODINGS[encoding]
    text = end.join(delimiter.join(f'"{cell}"' if cell == "ok" else cell for cell in row) for row in ROWS)
    table = write(tmp_path, mark + (text + end).encode(name))
    good = [(tmp_path / "grün" / f"00{number}.png", False) for number in (0, 1)]
    bad = [(tmp_path / "spot" / "000.png", True)]
    assert read_label_table(table, None) == [good[0], bad[0], good[1]]
    assert read_label_table(table, False) == good
    assert read_label_table(table, True) == bad


def test_relative_and_absolute_paths(tmp_path: Path) -> None:
    table = write(tmp_path, f"path,label\na/1.png,good\n{tmp_path / 'b' / '2.png'},bad\n../3.png,good\n")
    assert [path for path, _ in read_label_table(table, None)] == [
        tmp_path / "a" / "1.png",
        tmp_path / "b" / "2.png",
        tmp_path / ".." / "3.png",
    ]


def test_a_windows_path_finds_its_file(tmp_path: Path) -> None:
    (tmp_path / "test" / "good").mkdir(parents=True)
    (tmp_path / "test" / "good" / "1.png").touch()
    (tmp_path / "an\\other.png").touch()
    table = write(tmp_path, "path,label\ntest\\good\\1.png,good\nan\\other.png,good\ngone\\2.png,bad\n")
    assert [path for path, _ in read_label_table(table, None)] == [
        tmp_path / "test" / "good" / "1.png",
        tmp_path / "an\\other.png",
        tmp_path / "gone\\2.png",  # as it stands in the table: reading it tells
    ]


@pytest.mark.parametrize(("file", "table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_decomposed_letters_find_their_file(tmp_path: Path, file: str, table: str) -> None:
    there, named = (unicodedata.normalize(form, "grün.png") for form in (file, table))
    (tmp_path / there).touch()
    assert read_label_table(write(tmp_path, f"path,label\n{named},good\n"), None) == [
        (tmp_path / there, False)
    ]


def test_a_name_in_the_tables_own_encoding_finds_its_file(tmp_path: Path) -> None:
    there = tmp_path / os.fsdecode(b"gr\xfcn.png")
    there.touch()
    table = write(tmp_path, "path;label\ngrün.png;good\n".encode("cp1252"))
    assert read_label_table(table, None) == [(there, False)]


def test_what_spreadsheets_add_is_passed_over(tmp_path: Path) -> None:
    table = write(tmp_path, "sep=;\r\n PATH ; Label ;\r\na.png; Good ;\r\n;;\r\n\r\nb.png;abnormal\r\n")
    assert read_label_table(table, None) == [(tmp_path / "a.png", False), (tmp_path / "b.png", True)]


@pytest.mark.parametrize(
    ("words", "defective"),
    [
        ("good ok OK pass 0 normal io", False),
        ("bad ng nok NOK fail 1 defect defective anomaly anomalous nio crack", True),
    ],
)
def test_words_for_good_and_bad(tmp_path: Path, words: str, defective: bool) -> None:
    rows = "".join(f"a.png,{word}\n" for word in words.split())
    found = read_label_table(write(tmp_path, f"path,label\n{rows}"), None)
    assert {label for _, label in found} == {defective}


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("file,label\na.png,good\n", UsageError, "needs the columns path and label, has no path"),
        ("", UsageError, "has no label and no path"),
        ("path,label\na.png,maybe\n", UsageError, "line 2: the label must be good or bad, not 'maybe'"),
        ("path,label\na.png\n", UsageError, "line 2: the label must be good or bad, not ''"),
        ("path,label\n,good\n", UsageError, "line 2: no path"),
        ("sep=,\npath,label\na.png,maybe\n", UsageError, "line 3: the label"),
        ("path,label\n", DataError, "no images in this table"),
        ("path,label\na.png,good\x00\n", UsageError, "labels.csv: not a table in CSV"),
        (b"\xff\xfe\x00path", UsageError, "not a table in CSV"),
        (b"path,label\n\x81.png,good\n", UsageError, "not a table in CSV"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", UsageError, "not a table in CSV"),
        ('path,label\n"' + "x" * 200_000 + '",good\n', UsageError, "not a table in CSV"),
    ],
    ids=str,
)
def test_a_table_that_says_something_else_is_refused(
    tmp_path: Path, text: str | bytes, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_label_table(write(tmp_path, text), None)


def test_of_one_kind_there_must_be_some(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no bad images in this table"):
        read_label_table(write(tmp_path, "path,label\na.png,good\n"), True)


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't be read \(Is a directory\)"):
        read_label_table(tmp_path, None)
