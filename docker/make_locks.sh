#!/bin/sh
# Write what the images install, with hashes: docker/build.lock (what compiles hnswlib and builds SoftCore), docker/cpu.lock
# and docker/gpu.lock with the versions of requirements.lock, and docker/jetson.lock for JetPack 6, whose OpenCV was
# compiled against NumPy 1. From the root of the source, after `make lock`; needs a Python package index.
set -eu
uv=${UV:-.venv/bin/uv}
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
compile() { # NAME CONSTRAINTS REQUIREMENTS...
    name=$1 constraints=$2
    shift 2
    "$uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command docker/make_locks.sh --constraint "$constraints" --output-file "docker/$name.lock" "$@"
}
# Versions alone: with hashes a constraint would ask for all of what it names.
sed '/^ *--hash/d; /^ *#/d; s/ \\$//' requirements.lock >"$pins"
printf 'hatchling\nnumpy\npybind11\nsetuptools\nwheel\n' | compile build "$pins" -
compile cpu "$pins" --extra cpu --extra edge --extra postgres --extra sign pyproject.toml
compile gpu "$pins" --extra gpu --extra edge --extra postgres --extra sign pyproject.toml
sed --in-place '/^numpy==/d; $a numpy<2' "$pins"
# With what ONNX Runtime's wheels ask for: NVIDIA's comes from another index.
printf 'coloredlogs\nflatbuffers\npackaging\nprotobuf\nsympy\n' | compile jetson "$pins" --extra edge --extra postgres --extra sign pyproject.toml -
