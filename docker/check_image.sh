#!/bin/sh
# Run the steps of the x86 image in a clean Debian 12 root, without Docker, and inspect a frame in it. As root, from the
# root of the source; needs debootstrap, a Debian mirror (MIRROR: other than
# debootstrap's own) and a Python package index. Takes some minutes.
set -eu
root=$(mktemp -d)
clean() {
    for place in dev proc; do umount "$root/$place" 2>/dev/null || true; done
    rm -rf --one-file-system "$root" "$root.log"
}
trap clean EXIT

debootstrap --variant=minbase --include=ca-certificates bookworm "$root" ${MIRROR:+"$MIRROR"} >"$root.log"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /etc/ssl/certs "$root/etc/ssl/" # a factory's network may have a certificate of its own
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"

# As COPY would lay it, and a bundle with frames to try.
mkdir "$root/src" "$root/try"
cp -r pyproject.toml README.md LICENSE runtime calibration edge_app export docker "$root/src/"
cp -r "${1:?a folder with a bundle named bundle and an image named frame.png}"/. "$root/try/"

inside() { chroot "$root" /usr/bin/env -C "$1" PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive sh -c "$2"; }
inside /src "docker/install.sh cpu"
inside /try "/opt/softcore/bin/softcore-edge bundle --source frame.png"
inside / "! command -v g++" # the image holds no compiler
echo "the steps of the x86 image work in a clean root: $(du -sm "$root/opt/softcore" | cut -f1) MB in /opt/softcore"
