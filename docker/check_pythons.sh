#!/bin/sh
# Install SoftCore under each Python given (default: 3.10 and 3.12): for a line computer, where all of the edge app is
# imported and a frame inspected, and for calibration, each in an environment of its own without torch. From the root of
# the source; needs a Python package index and a C++ compiler.
#
#   docker/check_pythons.sh FOLDER [PYTHON...]     FOLDER: a bundle named bundle, an image named frame.png, and images to
#                                                  calibrate with, as --data takes them, in a folder named images
set -eu
try=${1:?a folder with a bundle named bundle, an image named frame.png and a folder named images}
shift
[ $# -gt 0 ] || set -- python3.10 python3.12
if command -v pyenv >/dev/null; then # its own shims run only the one that it is set to
    for bin in "$(pyenv root)"/versions/*/bin; do PATH=$bin:$PATH; done
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for python in "$@"; do
    "$python" -c '' || { echo "$0: $python doesn't run here; name others: PYTHON..., TARGETS_PYTHONS" >&2; exit 1; }
    set_up() { # EXTRAS
        rm -rf "$place/env"
        "$python" -m venv "$place/env"
        "$place/env/bin/pip" install --quiet ".[$1]"
        ! "$place/env/bin/python" -c 'import torch' 2>/dev/null || { echo "$0: [$1] brought torch" >&2; exit 1; }
    }
    set_up cpu,calibrate
    (cd "$try" && "$place/env/bin/softcore-calibrate" bundle --data images --max-overkill 0.05)
    set_up cpu,edge
    (cd "$try" && "$place/env/bin/softcore-edge" bundle --source frame.png)
    "$place/env/bin/python" -W error -c '
import importlib, pkgutil, softcore_edge_app
for found in pkgutil.walk_packages(softcore_edge_app.__path__, "softcore_edge_app."):
    importlib.import_module(found.name)'
    echo "$("$place/env/bin/python" --version): installed, imported, calibrated, inspected"
done
