#!/bin/sh
# Check that every dependency of a line computer has wheels for a Jetson (aarch64, glibc 2.35, Python 3.10) and for
# Python 3.12: resolved by uv with the platform's tags, nothing is installed. From the root of the source; needs a Python
# package index. Two have no wheels for any platform: hnswlib is compiled, sdnotify is one file of Python.
set -eu
uv=${UV:-.venv/bin/uv}
for python in 3.10 3.12; do
    found=$("$uv" pip compile pyproject.toml --extra edge --quiet --no-header --no-annotate --only-binary :all: \
        --no-binary hnswlib --no-binary sdnotify --python-platform aarch64-manylinux_2_35 --python-version "$python")
    echo "aarch64, Python $python: wheels of all but hnswlib and sdnotify, $(echo "$found" | wc -l) packages"
done
