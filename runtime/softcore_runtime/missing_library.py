"""Missing library: explains a failed import in one line that names what to install.

A library can be missing; it can be installed, but lack a shared library of the system; or be installed, but
fail to import for another reason (its version, another NumPy). The extra that installs it is read from
SoftCore's own metadata, so that there is no second list.
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

# Distributions of modules with another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "argon2": "argon2-cffi",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "paho": "paho-mqtt",
    "pydantic_core": "pydantic",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
_TITLES = {
    "cv2": "OpenCV",
    "fastapi": "FastAPI",
    "jinja2": "Jinja2",
    "numpy": "NumPy",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
}

# Shared libraries that wheels and system builds of our libraries need, and their packages in Debian 12 or
# later; if Debian 13 renamed one (libglib2.0-0t64), it still provides the old name.
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

# The message of glibc's loader, in an ImportError of an extension module or an OSError of ctypes.
_SHARED = re.compile(r"(?P<file>[^\s/:]+\.so[.\d]*): cannot open shared object file")
_ORIGINAL = re.compile(
    r"original error was: (?P<words>.+)", re.IGNORECASE
)  # at the end of a long message of NumPy
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<rest>[^;]*)(?:;.*?extra == ['\"](?P<extra>[\w-]+)['\"])?")
_LONGEST = 200  # number of characters of a quoted message


class _Requirement(NamedTuple):
    name: str
    text: str
    extra: str | None  # None for every installation
    conditional: bool  # on the platform or the version of Python


def explain_import(error: ImportError | OSError, extra: str | None = None) -> MissingLibraryError:
    """Return the error to raise for a failed import.

    Args:
        error: the error of the import of a library.
        extra: the extra of the running command, preferred if several install the library.

    Returns:
        the error; a `BrokenLibraryError` if the library is installed.

    Example:
        >>> explain_import(ImportError("libxcb.so.1: cannot open shared object file: ...", name="cv2"))
        BrokenLibraryError('OpenCV is installed, but lacks the shared library libxcb.so.1; run: apt ...')
    """
    library = _find_library(error)
    shown = _TITLES.get(library) or _find_distribution(library)
    if library in sys.stdlib_module_names:
        return BrokenLibraryError(
            f"this Python was built without its own module {library}: {_shorten_message(error)}"
        )
    if isinstance(error, ModuleNotFoundError) and not _is_installed(library):
        return MissingLibraryError(shown, find_extra(library, extra))
    if match := _SHARED.search(str(error)):
        return BrokenLibraryError(
            f"{shown} is installed, but lacks the shared library {match['file']}; "
            f"{_describe_remedy(match['file'], library, extra)}"
        )
    name, version = _find_installed_version(library)
    reason = f"{shown}{version} is installed, but can't be imported: {_shorten_message(error)}"
    return BrokenLibraryError(f"{reason}; run: {_format_reinstall(name, extra)}" if name else reason)


def is_of_library(error: BaseException) -> bool:
    """Return whether an error is a failed import of a library, and no fault of SoftCore.

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
    """Add the extra of the running command if it isn't installed either, for one command that installs both.

    Example:
        >>> str(add_extra(MissingLibraryError("OpenCV", "cpu"), "benchmark"))
        "OpenCV is not installed; run: pip install 'softcore[cpu...]'"
    """
    if not error.extra or error.extra == extra or is_complete(extra):
        return error
    return MissingLibraryError(error.library, f"{error.extra},{extra}")


def find_extra(library: str, preferred: str | None = None) -> str | None:
    """Return the extra that installs a library, directly or as a requirement of another library.

    Args:
        library: the name of the module.
        preferred: the extra to take if several install it.

    Returns:
        the extra; "" if every installation has the library, None if no extra installs it.

    Example:
        >>> find_extra("cv2"), find_extra("tqdm", preferred="export"), find_extra("numpy"), find_extra("x")
        ('cpu', 'export', '', None)
    """
    wanted, requirements = _normalise(_find_distribution(library)), list(_list_requirements("softcore"))
    extras = {requirement.extra or "": None for requirement in requirements}
    order = [""] + [extra for extra in (preferred, *_USER_EXTRAS, *extras) if extra]
    asked = {
        extra: {one.name for one in requirements if (one.extra or "") == extra}
        for extra in dict.fromkeys(order)
    }
    direct = next((extra for extra in order if wanted in asked[extra]), None)
    if direct is not None:
        return direct
    return next((extra for extra in order if wanted in _collect_requirements(asked[extra])), None)


_USER_EXTRAS = (
    "cpu",
    "gpu",
    "edge",
    "calibrate",
    "export",
    "parquet",
    "openvino",
    "postgres",
)  # preferred to the extras of developers


def is_complete(extra: str) -> bool:
    """Return whether all direct requirements of an extra are installed.

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
    """Return the package that can't be imported: the one that the error names, or whose code raised it."""
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


def _is_installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False


def _shorten_message(error: BaseException) -> str:
    """Return a message in one line, shortened; of a long message of NumPy the original error."""
    match = _ORIGINAL.search(str(error))
    words = " ".join((match["words"] if match else str(error)).split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."


def _describe_remedy(file: str, library: str, extra: str | None) -> str:
    if package := DEBIAN_PACKAGES.get(file):
        return f"run: apt install {package}"
    if file.startswith("libcuda.so"):
        return "NVIDIA's driver has it"
    if _CUDA.match(file):
        command = _format_reinstall(_find_distribution(library), extra)
        return f"it is a part of NVIDIA's CUDA; run: {command}"
    return f"find its Debian package by: apt-file search {file}"


def _find_installed_version(library: str) -> tuple[str | None, str]:
    """Return the distribution of an installed module, None if pip didn't install it, and its version."""
    name = next(iter(metadata.packages_distributions().get(library, [])), None)
    return (name, f" {metadata.version(name)}") if name else (None, "")


def _format_reinstall(distribution: str, extra: str | None) -> str:
    """Return the command that reinstalls a distribution, in a version that the extra accepts."""
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


def _collect_requirements(names: set[str]) -> set[str]:
    """Return these distributions and all that they require, as far as they are installed."""
    asked, seen = set(names), set[str]()
    while asked:
        name = asked.pop()
        seen.add(name)
        asked |= {one.name for one in _list_requirements(name) if one.extra is None} - seen
    return seen


def _find_distribution(library: str) -> str:
    return DISTRIBUTIONS.get(library, library).replace("_", "-")


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
