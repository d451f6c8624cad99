from __future__ import annotations

from pathlib import Path

import pytest
from softcore_runtime import BundleNotFoundError, UsageError
from softcore_runtime.cli.bundle_choice import VARIABLE, choose_bundle


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)


def make_bundle(path: str) -> Path:
    Path(path).mkdir(parents=True)
    (Path(path) / "manifest.json").touch()
    return Path(path)


def test_a_folder_is_taken_as_given(tmp_path: Path) -> None:
    make_bundle("bundles/pill")
    make_bundle("elsewhere/screw")
    assert choose_bundle("elsewhere/screw") == Path("elsewhere/screw")
    assert choose_bundle(str(tmp_path / "elsewhere/screw")) == tmp_path / "elsewhere/screw"


def test_a_name_is_looked_for_under_bundles() -> None:
    make_bundle("bundles/pill")
    assert choose_bundle("pill") == Path("bundles/pill")


def test_a_folder_here_without_a_manifest_does_not_hide_a_bundle() -> None:
    make_bundle("bundles/pill")
    Path("pill").mkdir()  # of images, say
    assert choose_bundle("pill") == Path("bundles/pill")
    make_bundle("screw")
    make_bundle("bundles/screw")
    assert choose_bundle("screw") == Path("screw")


def test_a_wrong_name_lists_what_there_is() -> None:
    make_bundle("bundles/pill")
    make_bundle("bundles/nut")
    with pytest.raises(BundleNotFoundError, match=r"pil: no bundle here.*there is: nut, pill"):
        choose_bundle("pil")


def test_an_empty_name_is_no_bundle() -> None:
    make_bundle("bundles/pill")
    Path("manifest.json").touch()
    with pytest.raises(BundleNotFoundError):
        choose_bundle("")


def test_the_variable_comes_before_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    make_bundle("bundles/pill")
    make_bundle("elsewhere/screw")
    monkeypatch.setenv(VARIABLE, "elsewhere/screw")
    assert choose_bundle(None) == Path("elsewhere/screw")
    assert choose_bundle("pill") == Path("bundles/pill")
    monkeypatch.setenv(VARIABLE, "")
    assert choose_bundle(None) == Path("bundles/pill")


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    make_bundle("bundles/pill")
    monkeypatch.setenv(VARIABLE, "gone")
    with pytest.raises(BundleNotFoundError, match=r"\$SOFTCORE_BUNDLE \(gone\)"):
        choose_bundle(None)


def test_the_only_bundle_is_taken() -> None:
    make_bundle("bundles/pill")
    Path("bundles/.pill.tmp").mkdir()
    Path("bundles/notes").mkdir()
    Path("bundles/readme.txt").touch()
    assert choose_bundle(None) == Path("bundles/pill")


@pytest.mark.parametrize("folder", ["nowhere", "bundles/unfinished"])
def test_none_says_what_to_do(folder: str) -> None:
    Path(folder).mkdir(parents=True)
    with pytest.raises(UsageError, match="softcore-export") as caught:
        choose_bundle(None)
    assert VARIABLE in str(caught.value)


def test_several_are_listed() -> None:
    for name in ("pill", "nut", "screw"):
        make_bundle(f"bundles/{name}")
    with pytest.raises(UsageError, match="3 bundles under bundles/, name one: nut, pill, screw"):
        choose_bundle(None)


@pytest.mark.parametrize("given", ["pill", "bundles/pill", None])
def test_a_bundle_that_was_being_replaced_is_brought_back(given: str | None) -> None:
    """As a power cut between two renames leaves it, on a file system that has no exchange."""
    make_bundle("bundles/.pill.abcdefgh.old")
    make_bundle("bundles/.pill.abcdefgh.partial")
    assert choose_bundle(given) == Path("bundles/pill")
    assert Path("bundles/pill/manifest.json").is_file()


def test_the_bundle_of_an_export_that_is_running_is_not_taken() -> None:
    make_bundle("bundles/.pill.abcdefgh.partial")
    with pytest.raises(UsageError, match="no bundle under bundles/"):
        choose_bundle(None)
