"""Image folder: lists the images in a folder and below it, and the files that only look like images."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.images.file_names import to_text

__all__ = ["SUFFIXES", "Listing", "find_images", "list_images"]

SUFFIXES = frozenset({".bmp", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_OTHERS = frozenset(
    {
        *(".apng", ".arw", ".avif", ".cr2", ".cr3", ".dib", ".dng", ".exr", ".gif", ".hdr", ".heic", ".heif"),
        *(".j2k", ".jp2", ".jpe", ".jxl", ".nef", ".orf", ".pbm", ".pcx", ".pfm", ".pgm", ".pnm", ".ppm"),
        *(".psd", ".raw", ".rw2", ".tga"),
    }
)
_NAMED = 3  # number of files named in one remark

_Identity = tuple[int, int] | None


@dataclass(frozen=True)
class Listing:
    """The images in a folder, and the files and folders that are left out.

    Attributes:
        folder: the folder.
        images: the images, sorted by path; among them those behind symbolic links to folders, by the link's
            path.
        dangling: broken symbolic links whose name may be that of an image or a folder.
        linked: symbolic links that aren't followed, because their folder contains this one, or is listed
            already by another path.
        closed: folders that can't be read.
        others: images of unsupported kinds.

    Example:
        >>> (folder / "a.png").touch()
        >>> list_images(folder).images
        [PosixPath('.../empty/a.png')]
    """

    folder: Path
    images: list[Path]
    dangling: list[Path]
    linked: list[Path]
    closed: list[Path]
    others: list[Path]

    def describe_omitted(self) -> list[str]:
        """Return what is left out, one line for each reason.

        Example:
            >>> (folder / "a.gif").touch()
            >>> (folder / "b.png").symlink_to("nowhere")
            >>> for line in list_images(folder).describe_omitted():
            ...     print("-", line)
            - .../empty: 1 symbolic link leads nowhere and is left out: b.png
            - .../empty: 1 image of a kind that is not read is left out (.gif): a.gif; convert it to .png
        """
        lines = []
        if n := len(self.dangling):
            what = "symbolic link leads nowhere and is" if n == 1 else "symbolic links lead nowhere and are"
            lines.append(f"{n:,} {what} left out: {self._list_names(self.dangling)}")
        if n := len(self.linked):
            what = "link to a folder leads" if n == 1 else "links to folders lead"
            lines.append(f"{n:,} {what} back, or to what is listed already: {self._list_names(self.linked)}")
        if n := len(self.closed):
            what = "folder" if n == 1 else "folders"
            lines.append(
                f"{n:,} {what} can't be read, and what is there is left out: {self._list_names(self.closed)}"
            )
        if n := len(self.others):
            kinds = ", ".join(
                kind for kind, _ in Counter(p.suffix.lower() for p in self.others).most_common()
            )
            what = (
                "image of a kind that is not read is" if n == 1 else "images of kinds that are not read are"
            )
            them = "it" if n == 1 else "them"
            lines.append(
                f"{n:,} {what} left out ({kinds}): {self._list_names(self.others)}; convert {them} to .png"
            )
        return [f"{to_text(self.folder)}: {line}" for line in lines]

    def _list_names(self, paths: list[Path]) -> str:
        names = ", ".join(to_text(path.relative_to(self.folder).as_posix()) for path in paths[:_NAMED])
        return names + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def list_images(folder: Path) -> Listing:
    """List the images under `folder`, and what looks like images there.

    Hidden files and folders are skipped. Symbolic links are followed, except to a folder that contains this
    one or is listed already.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> (folder / "a.png").touch()
        >>> len(list_images(folder).images)
        1
    """
    found = Listing(folder, [], [], [], [], [])
    around = set(map(_identify, (Path(os.path.realpath(folder)), *Path(os.path.realpath(folder)).parents)))
    seen: set[_Identity] = set()
    links = _walk(folder, found, seen)
    while links:  # after the folders themselves: an image's own path is better than a link's
        further: list[Path] = []
        for link in sorted(links):
            if _identify(link) in seen | around:
                found.linked.append(link)
            else:
                further += _walk(link, found, seen)
        links = further
    for paths in (found.images, found.dangling, found.linked, found.closed, found.others):
        paths.sort()
    return found


def find_images(folder: Path) -> list[Path]:
    """Return the images under `folder`, sorted by path, as `list_images` does; none without the folder.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> (folder / "a.png").touch()
        >>> [found.name for found in find_images(folder)]
        ['a.png']
    """
    return list_images(folder).images if folder.is_dir() else []


def _identify(folder: Path) -> _Identity:
    """Return what identifies a folder, whatever its path; None if it can't be read."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _walk(top: Path, found: Listing, seen: set[_Identity]) -> list[Path]:
    """Add the files in a folder and below it to a listing; return the links to other folders."""

    def add_closed(error: OSError) -> None:
        if Path(error.filename) == found.folder:
            raise error
        found.closed.append(Path(error.filename))

    links: list[Path] = []
    for place, folders, files in os.walk(top, onerror=add_closed):
        seen.add(_identify(Path(place)))
        inner = [Path(place, name) for name in folders if not name.startswith(".")]
        links += [path for path in inner if path.is_symlink()]
        folders[:] = [path.name for path in inner if not path.is_symlink() and _identify(path) not in seen]
        for name in files:
            path = Path(place, name)
            if not name.startswith("."):
                _add_file(path, found)
    return links


def _add_file(path: Path, found: Listing) -> None:
    """Add a file to a listing, if it may be an image."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        if suffix in {"", *SUFFIXES, *_OTHERS}:  # without a suffix it may have led to a folder of them
            found.dangling.append(path)
    elif suffix in SUFFIXES:
        found.images.append(path)
    elif suffix in _OTHERS:
        found.others.append(path)
