#!/bin/sh
# The README's way, in a bare root of Debian 12 and then 13: its apt line, a clone by an ordinary user, `make demo`, the
# same in a second clone with what was fetched for the first, and `make test`. Prints the seconds of each. As root; needs
# debootstrap, a Debian mirror, a Python package index, and 12 GB in TMPDIR. Half an hour for each root on two cores.
#
#   docker/check_bare.sh     MIRROR: of Debian, other than debootstrap's own; BARE_SUITES: default: bookworm trixie;
#                            BARE_TARGETS: of make; default: demo test
set -eu
suites=${BARE_SUITES:-bookworm trixie}
targets=${BARE_TARGETS:-demo test}
line=$(git show HEAD:README.md | grep --only-matching --max-count 1 'sudo apt install [a-z0-9+. -]*[a-z0-9+]') ||
    { echo "$0: README.md has no line with 'sudo apt install'" >&2; exit 1; }
place=$(mktemp -d)
root=$place/root
clean() {
    for mounted in dev proc; do umount "$root/$mounted" 2>/dev/null || true; done
    rm -rf --one-file-system "$place"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM

as() { # USER FOLDER COMMAND: with nothing of this machine's environment but its way to the package index
    set -- "$1" "$2" "$3" "HOME=$(chroot "$root" sh -c "echo ~$1")" PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
    as_user=$1 as_folder=$2 as_command=$3
    shift 3
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR PIP_CERT \
        PIP_INDEX_URL UV_DEFAULT_INDEX UV_INDEX_URL; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || set -- "$@" "$name=$value"
    done
    chroot --userspec="$as_user:$as_user" --groups= "$root" /usr/bin/env -i -C "$as_folder" "$@" sh -ec "$as_command"
}

step() { # WHAT COMMAND...
    what=$1
    shift
    start=$(date +%s)
    "$@" >"$place/log" 2>&1 || { tail -n 200 "$place/log"; echo "$suite: $what FAILED" >&2; exit 1; }
    echo "$suite: $what: $(($(date +%s) - start)) s"
}

for suite in $suites; do
    if ! debootstrap --variant=minbase --include=ca-certificates,git "$suite" "$root" ${MIRROR:+"$MIRROR"} \
        >"$place/log" 2>&1; then
        tail -n 3 "$place/log"
        ! grep -q 'Failed getting release file' "$place/log" || [ "$suite" = bookworm ] ||
            { echo "$suite: left out, for the mirror hasn't got it"; continue; }
        exit 1
    fi
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    cp -r /etc/ssl/certs "$root/etc/ssl/" # a factory's network may have a certificate of its own
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
    mount --bind /dev "$root/dev" # without the terminals in /dev/pts
    mount -t proc proc "$root/proc"
    chroot "$root" useradd --create-home --shell /bin/bash user
    git clone --quiet --bare --no-hardlinks . "$root/srv/softcore.git"
    chroot "$root" chown -R user:user /srv/softcore.git
    echo "$suite: Debian $(cat "$root/etc/debian_version"), $(du -sm --one-file-system "$root" | cut -f1) MB, $(nproc) cores"

    # What the check asks for where there is nothing is what the README asks for.
    as user /home/user 'git clone --quiet /srv/softcore.git first'
    asked=$(as user /home/user/first 'docker/check_system.sh 2>&1 | tail -n 1')
    [ "sudo apt install make ${asked#*apt install }" = "$line" ] ||
        { echo "$suite: docker/check_system.sh asks for: $asked; README.md for: $line" >&2; exit 1; }
    step "$line" as root / "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes ${line#*install }"

    step "make demo, all packages to be fetched" as user /home/user/first 'make demo'
    as user /home/user/first 'ls demo/overlays/*' >/dev/null
    as user /home/user 'rm -rf first'
    echo "$suite: the package cache has $(du -sm "$root/home/user/.cache" | cut -f1) MB"
    for target in clone $targets; do
        case $target in
        clone) step "git clone, once more" as user /home/user 'git clone --quiet /srv/softcore.git softcore' ;;
        demo) step "make demo, packages from the cache" as user /home/user/softcore 'make demo' ;;
        *) step "make $target" as user /home/user/softcore "make $target" ;;
        esac
    done
    sed -n '/short test summary/,$p' "$place/log" # what was skipped, why, and what would unskip it
    for mounted in dev proc; do umount "$root/$mounted"; done
    rm -rf --one-file-system "$root"
done
