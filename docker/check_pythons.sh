#!/bin/sh
# Install a line computer's SoftCore under each Python given (default: 3.10 and 3.12) in an environment of its own, import
# the edge app, and inspect a frame. From the root of the source; needs a Python package index and a C++ compiler.
#
#   docker/check_pythons.sh FOLDER [PYTHON...]     FOLDER: a bundle named bundle, and a picture named frame.png
set -eu
try=${1:?a folder with a bundle named bundle and a picture named frame.png}
shift
[ $# -gt 0 ] || set -- python3.10 python3.12
if command -v pyenv >/dev/null; then # its own shims run only the one that it is set to
    for bin in "$(pyenv root)"/versions/*/bin; do PATH=$bin:$PATH; done
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for python in "$@"; do
    "$python" -c '' || { echo "$0: $python doesn't run here; name others: PYTHON..., TARGETS_PYTHONS" >&2; exit 1; }
    "$python" -m venv "$place/env"
    "$place/env/bin/pip" install --quiet ".[cpu,edge]"
    (cd "$try" && "$place/env/bin/softcore-edge" bundle --source frame.png)
    "$place/env/bin/python" -W error -c '
import importlib, pkgutil, softcore_edge_app
for found in pkgutil.walk_packages(softcore_edge_app.__path__, "softcore_edge_app."):
    importlib.import_module(found.name)'
    echo "$("$place/env/bin/python" --version): installed, imported, inspected"
    rm -rf "$place/env"
done
