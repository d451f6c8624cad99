"""Image folder: which images lie in a folder and below it, and what looks like more of them."""

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
_NAMED = 3  # files in one remark

_Identity = tuple[int, int] | None


@dataclass(frozen=True)
class Listing:
    """What a folder holds: its images, and what looks like more of them and isn't taken.

    Attributes:
        folder: that.
        images: the images, sorted by path; those in a folder that a symbolic link leads to are among them,
            by the link's path.
        dangling: symbolic links that lead nowhere, with an image's name or that of a folder.
        linked: symbolic links to folders that aren't followed: these lie around this one, or are listed
            already, by another path.
        closed: folders that can't be read.
        others: images of kinds that aren't read.

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
        """Say what is left out, a line for each reason.

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
            lines.append(f"{n:,} {what} left out: {self._name(self.dangling)}")
        if n := len(self.linked):
            what = "link to a folder leads" if n == 1 else "links to folders lead"
            lines.append(f"{n:,} {what} back, or to what is listed already: {self._name(self.linked)}")
        if n := len(self.closed):
            what = "folder" if n == 1 else "folders"
            lines.append(
                f"{n:,} {what} can't be read, and what is there is left out: {self._name(self.closed)}"
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
                f"{n:,} {what} left out ({kinds}): {self._name(self.others)}; convert {them} to .png"
            )
        return [f"{to_text(self.folder)}: {line}" for line in lines]

    def _name(self, paths: list[Path]) -> str:
        names = ", ".join(to_text(path.relative_to(self.folder).as_posix()) for path in paths[:_NAMED])
        return names + (f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else "")


def list_images(folder: Path) -> Listing:
    """List the images under `folder`, and what looks like images there.

    Hidden files and folders are passed over. Symbolic links are followed, but for those that lead to a folder
    around this one or to one that is listed already.

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
    while links:  # after what really lies there: an image's own path is better than a link's
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
    """Name every image under `folder`, sorted by path, as `list_images` does.

    None, where there is no such folder.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> (folder / "a.png").touch()
        >>> [found.name for found in find_images(folder)]
        ['a.png']
    """
    return list_images(folder).images if folder.is_dir() else []


def _identify(folder: Path) -> _Identity:
    """Tell one folder from another, by whatever path; None where that can't be found out."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _walk(top: Path, found: Listing, seen: set[_Identity]) -> list[Path]:
    """Put down what lies in a folder and below it; give the links to other folders."""

    def note(error: OSError) -> None:
        if Path(error.filename) == found.folder:
            raise error
        found.closed.append(Path(error.filename))

    links: list[Path] = []
    for place, folders, files in os.walk(top, onerror=note):
        seen.add(_identify(Path(place)))
        inner = [Path(place, name) for name in folders if not name.startswith(".")]
        links += [path for path in inner if path.is_symlink()]
        folders[:] = [path.name for path in inner if not path.is_symlink() and _identify(path) not in seen]
        for name in files:
            path = Path(place, name)
            if not name.startswith("."):
                _put_down(path, found)
    return links


def _put_down(path: Path, found: Listing) -> None:
    """Put down a file that is no folder, if it may be an image."""
    suffix = path.suffix.lower()
    if path.is_symlink() and not path.exists():
        if suffix in {"", *SUFFIXES, *_OTHERS}:  # without a suffix it may have led to a folder of them
            found.dangling.append(path)
    elif suffix in SUFFIXES:
        found.images.append(path)
    elif suffix in _OTHERS:
        found.others.append(path)
