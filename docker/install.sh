#!/bin/sh
# The steps of the x86 image: SoftCore for a line computer in /opt/softcore, on a bare Debian 12 or Ubuntu 22.04,
# as root, from the folder with the source. `check_image.sh` runs them in a clean root, without Docker.
set -eu
what=${1:-cpu} # or gpu

apt-get update
# g++ and Python's headers compile hnswlib, which has no wheels.
apt-get install --yes --no-install-recommends ca-certificates g++ python3-dev python3-venv
python3 -m venv /opt/softcore
# Not for this very CPU alone, for who knows where the image will run.
export HNSWLIB_NO_NATIVE=1
# What compiles hnswlib and builds SoftCore comes first, or pip would fetch it by itself, without hashes.
for lock in build "$what"; do
    /opt/softcore/bin/pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes \
        --requirement "docker/$lock.lock"
done
/opt/softcore/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
/opt/softcore/bin/pip check
apt-get purge --yes --auto-remove g++ python3-dev
rm -rf /var/lib/apt/lists/*
