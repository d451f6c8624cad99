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
HNSWLIB_NO_NATIVE=1 /opt/softcore/bin/pip install --no-cache-dir ".[$what,edge]"
apt-get purge --yes --auto-remove g++ python3-dev
rm -rf /var/lib/apt/lists/*
