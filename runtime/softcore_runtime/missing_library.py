"""Missing library: what an import that fails means for the user, in one line that says what to install.

Three things can be wrong with a library of others: it isn't installed; it is, but lacks a shared library of
the system; it is, but can't be imported for another reason (its version, another NumPy). Which extra brings
it is read from SoftCore's own metadata, so that no second list of it can go stale.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from types import TracebackType
from typing import NamedTuple

from softcore_runtime.errors import BrokenLibraryError, MissingLibraryError

__all__ = [
    "DEBIAN_PACKAGES",
    "DISTRIBUTIONS",
    "add_extra",
    "explain_import",
    "find_extra",
    "is_complete",
    "is_of_library",
]

# What is imported under another name than it is installed by.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "paho": "paho-mqtt",
    "pydantic_core": "pydantic",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
_SHOWN = {
    "cv2": "OpenCV",
    "fastapi": "FastAPI",
    "jinja2": "Jinja2",
    "numpy": "NumPy",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
}

# Shared libraries that wheels and system builds of our libraries need, and the package of Debian 12 or later
# that has each; where Debian 13 renamed one (libglib2.0-0t64), it still provides the old name.
DEBIAN_PACKAGES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLdispatch.so.0": "libglvnd0",
    "libICE.so.6": "libice6",
    "libOpenCL.so.1": "ocl-icd-libopencl1",
    "libSM.so.6": "libsm6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libX11.so.6": "libx11-6",
    "libXau.so.6": "libxau6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXrender.so.1": "libxrender1",
    "libatomic.so.1": "libatomic1",
    "libblas.so.3": "libblas3",
    "libdbus-1.so.3": "libdbus-1-3",
    "libexpat.so.1": "libexpat1",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libgcc_s.so.1": "libgcc-s1",
    "libgfortran.so.5": "libgfortran5",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgomp.so.1": "libgomp1",
    "libgstapp-1.0.so.0": "libgstreamer-plugins-base1.0-0",
    "libgstreamer-1.0.so.0": "libgstreamer1.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "liblapack.so.3": "liblapack3",
    "libnuma.so.1": "libnuma1",
    "libopenblas.so.0": "libopenblas0",
    "libquadmath.so.0": "libquadmath0",
    "libstdc++.so.6": "libstdc++6",
    "libtbb.so.12": "libtbb12",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libxcb.so.1": "libxcb1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
}
_CUDA = re.compile(r"lib(cu[bdfprs]|nccl|nv|tensorrt)")

# As glibc's loader words it, in an ImportError of an extension module or an OSError of ctypes.
_SHARED = re.compile(r"(?P<file>[^\s/:]+\.so[.\d]*): cannot open shared object file")
_ORIGINAL = re.compile(r"original error was: (?P<words>.+)", re.IGNORECASE)  # at the end of a page of NumPy's
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<rest>[^;]*)(?:;.*?extra == ['\"](?P<extra>[\w-]+)['\"])?")
_LONGEST = 200  # characters of another's words


class _Requirement(NamedTuple):
    name: str
    text: str
    extra: str | None  # None: of every installation
    conditional: bool  # on the platform or the version of Python


def explain_import(error: ImportError | OSError, extra: str | None = None) -> MissingLibraryError:
    """Say what an import that failed means for the user.

    Args:
        error: what importing a library of others raised.
        extra: the extra of what is running, preferred where several bring the library.

    Returns:
        The error to raise: where the library is installed, the `BrokenLibraryError` among them.

    Example:
        >>> explain_import(ImportError("libxcb.so.1: cannot open shared object file: ...", name="cv2"))
        BrokenLibraryError('OpenCV is installed, but lacks the shared library libxcb.so.1; run: apt ...')
    """
    library = _find_library(error)
    shown = _SHOWN.get(library) or _distribution(library)
    if library in sys.stdlib_module_names:
        return BrokenLibraryError(f"this Python was built without its own module {library}: {_tell(error)}")
    if isinstance(error, ModuleNotFoundError) and not _is_there(library):
        return MissingLibraryError(shown, find_extra(library, extra))
    if match := _SHARED.search(str(error)):
        return BrokenLibraryError(
            f"{shown} is installed, but lacks the shared library {match['file']}; "
            f"{_tell_remedy(match['file'], library, extra)}"
        )
    name, version = _find_installed(library)
    reason = f"{shown}{version} is installed, but can't be imported: {_tell(error)}"
    return BrokenLibraryError(f"{reason}; run: {_reinstall(name, extra)}" if name else reason)


def is_of_library(error: BaseException) -> bool:
    """Tell whether it is a library of others that can't be imported, rather than a fault of SoftCore's.

    Example:
        >>> is_of_library(ModuleNotFoundError("No module named 'torch'", name="torch"))
        True
        >>> is_of_library(FileNotFoundError(2, "No such file or directory"))
        False
    """
    if isinstance(error, OSError):
        return error.errno is None and _SHARED.search(str(error)) is not None
    return isinstance(error, ImportError) and not _find_library(error).startswith("softcore_")


def add_extra(error: MissingLibraryError, extra: str) -> MissingLibraryError:
    """Name the extra of what is running, too, where that isn't installed either: one command for both.

    Example:
        >>> str(add_extra(MissingLibraryError("OpenCV", "cpu"), "benchmark"))
        "OpenCV is not installed; run: pip install 'softcore[cpu...]'"
    """
    if not error.extra or error.extra == extra or is_complete(extra):
        return error
    return MissingLibraryError(error.library, f"{error.extra},{extra}")


def find_extra(library: str, preferred: str | None = None) -> str | None:
    """Find the extra that brings a library: by itself, or through another that it brings.

    Args:
        library: the name that is imported.
        preferred: the extra to take where it is among several.

    Returns:
        The extra; an empty string where every installation has the library, None where none brings it.

    Example:
        >>> find_extra("cv2"), find_extra("tqdm", preferred="export"), find_extra("numpy"), find_extra("x")
        ('cpu', 'export', '', None)
    """
    wanted, requirements = _normalise(_distribution(library)), list(_list_requirements("softcore"))
    extras = {requirement.extra or "": None for requirement in requirements}
    order = [""] + [extra for extra in (preferred, *_USERS, *extras) if extra]
    asked = {
        extra: {one.name for one in requirements if (one.extra or "") == extra}
        for extra in dict.fromkeys(order)
    }
    direct = next((extra for extra in order if wanted in asked[extra]), None)
    if direct is not None:
        return direct
    return next((extra for extra in order if wanted in _follow(asked[extra])), None)


_USERS = ("cpu", "gpu", "edge", "calibrate", "export", "parquet", "openvino")  # before those of developers


def is_complete(extra: str) -> bool:
    """Return whether all that an extra asks for by itself is installed.

    Example:
        >>> is_complete("cpu")
        True
    """
    for one in _list_requirements("softcore"):
        if one.extra == extra and not one.conditional:
            try:
                metadata.distribution(one.name)
            except metadata.PackageNotFoundError:
                return False
    return True


def _find_library(error: BaseException) -> str:
    """Name the package that can't be imported: where the error doesn't say, the one whose code raised it."""
    if isinstance(error, ImportError) and error.name:
        return error.name.partition(".")[0]
    found = "a library"
    for name in _walk_modules(error.__traceback__):
        if name not in sys.stdlib_module_names and not name.startswith(("softcore_", "__main__")):
            found = name
    return found


def _walk_modules(traceback: TracebackType | None) -> Iterator[str]:
    while traceback:
        yield str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        traceback = traceback.tb_next


def _is_there(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def _tell(error: BaseException) -> str:
    """Give the words of another in one line, of a page of them the last that says what is wrong."""
    match = _ORIGINAL.search(str(error))
    words = " ".join((match["words"] if match else str(error)).split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."


def _tell_remedy(file: str, library: str, extra: str | None) -> str:
    if package := DEBIAN_PACKAGES.get(file):
        return f"run: apt install {package}"
    if file.startswith("libcuda.so"):
        return "NVIDIA's driver has it"
    if _CUDA.match(file):
        return f"it is a part of NVIDIA's CUDA; run: {_reinstall(_distribution(library), extra)}"
    return f"find its Debian package by: apt-file search {file}"


def _find_installed(library: str) -> tuple[str | None, str]:
    """Find the distribution that a module is installed by, None where no pip did, and its version."""
    name = next(iter(metadata.packages_distributions().get(library, [])), None)
    return (name, f" {metadata.version(name)}") if name else (None, "")


def _reinstall(distribution: str, extra: str | None) -> str:
    """Give the command that installs a distribution anew, in a version that the extra takes."""
    wanted = _normalise(distribution)
    texts = {one.extra: one.text for one in _list_requirements("softcore") if one.name == wanted}
    text = texts.get(extra) or next(iter(texts.values()), distribution)
    return f"pip install --force-reinstall '{text}'"


def _list_requirements(distribution: str) -> Iterator[_Requirement]:
    try:
        texts = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        if match := _REQUIREMENT.match(text):
            written = f"{match['name']}{match['rest'].strip()}"
            conditional = "python_version" in text or "platform" in text
            yield _Requirement(_normalise(match["name"]), written, match["extra"], conditional)


def _follow(names: set[str]) -> set[str]:
    """Add what these distributions ask for in turn, as far as they are installed."""
    asked, seen = set(names), set[str]()
    while asked:
        name = asked.pop()
        seen.add(name)
        asked |= {one.name for one in _list_requirements(name) if one.extra is None} - seen
    return seen


def _distribution(library: str) -> str:
    return DISTRIBUTIONS.get(library, library).replace("_", "-")


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
