from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from softcore_runtime.images.image_folder import find_images, list_images


def test_find_images_sorts_and_passes_over_what_is_hidden(tmp_path: Path) -> None:
    wanted = ["a/2.PNG", "a/10.png", "b.tif", "c.jpeg", "z.BMP"]
    others = [".hidden.png", ".cache/d.png", "a/.thumbs/e.jpg", "notes.txt", "a/._2.png", "Thumbs.db", "png"]
    for name in wanted + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert find_images(tmp_path) == sorted(tmp_path / name for name in wanted)


def test_find_images_in_a_hidden_folder_that_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / ".data"
    folder.mkdir()
    (folder / "a.png").touch()
    assert find_images(folder) == [folder / "a.png"]
    assert find_images(tmp_path / "none") == []


def test_what_is_left_out_of_a_folder_is_listed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "pill", tmp_path / "elsewhere"
    for name in ("a.png", "b/c.jpg", "d.gif", "b/e.HEIC", "b/f.gif", "g.txt", "i.webp", "j.JFIF"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    elsewhere.mkdir()
    (elsewhere / "h.png").touch()
    (folder / "good.png").symlink_to(elsewhere / "h.png")
    for name in ("gone1.png", "b/gone2.png", ".gone3.png", "gone.txt"):
        (folder / name).symlink_to(tmp_path / "nowhere.png")
    (folder / "b" / "more").symlink_to(elsewhere)
    (folder / "lost").symlink_to(tmp_path / "nowhere")
    found = list_images(folder)
    wanted = ("a.png", "b/c.jpg", "b/more/h.png", "good.png", "i.webp", "j.JFIF")
    assert found.images == [folder / name for name in wanted]
    assert found.dangling == [folder / "b/gone2.png", folder / "gone1.png", folder / "lost"]
    assert found.others == [folder / "b/e.HEIC", folder / "b/f.gif", folder / "d.gif"]
    assert (found.linked, found.closed) == ([], [])
    assert found.describe_omitted() == [
        f"{folder}: 3 symbolic links lead nowhere and are left out: b/gone2.png, gone1.png, lost",
        f"{folder}: 3 images of kinds that are not read are left out (.gif, .heic): b/e.HEIC, b/f.gif, "
        "d.gif; convert them to .png",
    ]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    """Each by the path with the fewest links, an image's own first; none that leads back."""
    folder = tmp_path / "root" / "pill" / "good"
    for name in (
        folder / "a/1.png",
        tmp_path / "disk/2.png",
        tmp_path / "disk/sub/3.png",
        tmp_path / "root/4.png",
    ):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.touch()
    for link, target in {
        folder / "0": folder / "a",
        folder / "disk1": tmp_path / "disk",
        folder / "disk2": tmp_path / "disk",
        folder / "here": folder,
        folder / "up": tmp_path / "root",
        folder / "a" / "loop": folder / "a" / "loop",
        tmp_path / "disk" / "sub" / "back": folder,
        tmp_path / "disk" / "sub" / "again": tmp_path / "disk",
        folder / "z.png": tmp_path / "root" / "4.png",
    }.items():
        link.symlink_to(target)
    found = list_images(folder)
    assert [path.relative_to(folder).as_posix() for path in found.images] == [
        "a/1.png", "disk1/2.png", "disk1/sub/3.png", "z.png",
    ]  # fmt: skip
    assert [path.relative_to(folder).as_posix() for path in found.linked] == [
        "0", "disk1/sub/again", "disk1/sub/back", "disk2", "here", "up",
    ]  # fmt: skip
    assert [path.name for path in found.dangling] == ["loop"]
    assert found.describe_omitted()[1:] == [
        f"{folder}: 6 links to folders lead back, or to what is listed already: 0, disk1/sub/again, "
        "disk1/sub/back and 3 more"
    ]


def test_a_folder_of_links_is_all_of_them(tmp_path: Path) -> None:
    """As data sets are often put together: every file a link, or every folder."""
    for number in range(4):
        (tmp_path / f"disk{number}").mkdir()
        (tmp_path / f"disk{number}" / "a.png").touch()
        (tmp_path / "set" / "good").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "good" / f"{number}").symlink_to(f"../../disk{number}")
    (tmp_path / "linked").symlink_to("set/good")
    assert len(find_images(tmp_path / "linked")) == 4
    assert list_images(tmp_path / "set").describe_omitted() == []


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    name = os.fsdecode(b"gr\xfcn")
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.png").symlink_to("nowhere")
    (line,) = list_images(tmp_path).describe_omitted()
    assert line.endswith("1 symbolic link leads nowhere and is left out: gr\\udcfcn/gr\\udcfcn.png")
    line.encode()


def test_only_some_of_many_are_named(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:04}.png").symlink_to("nowhere")
    (line,) = list_images(tmp_path).describe_omitted()
    assert line == (
        f"{tmp_path}: 40 symbolic links lead nowhere and are left out: "
        "0000.png, 0001.png, 0002.png and 37 more"
    )


def test_a_folder_that_cannot_be_read_is_named() -> None:
    """As another user, for root may read all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "open").mkdir()
        (folder / "open" / "a.png").touch()
        (folder / "closed").mkdir(mode=0)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(65534)
            found = list_images(folder)
            with pytest.raises(PermissionError):
                list_images(folder / "closed")
        finally:
            if root:
                os.seteuid(0)
            (folder / "closed").chmod(0o700)
    assert found.images == [folder / "open" / "a.png"]
    assert found.describe_omitted() == [
        f"{folder}: 1 folder can't be read, and what is there is left out: closed"
    ]
