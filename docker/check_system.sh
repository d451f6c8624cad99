#!/bin/sh
# Find all that the set-up needs and this machine lacks, and say it in one message that ends with the apt line for it.
#
#   docker/check_system.sh [PYTHON]     PYTHON: what makes the virtual environment; default: python3
set -u
python=${1:-python3}
missing='' compiler='' headers='' environments='' # what lacks, in words; Debian's packages that bring it

lack() {
    missing="$missing
  $1"
}

look_for() { # the compilers, by name
    for tool; do
        command -v "$tool" >/dev/null && continue
        compiler=g++
        lack "a C++ compiler, with which hnswlib is compiled: there is no $tool"
        return
    done
}

# Of this very Python, for one that isn't the system's brings its own headers, and may have another compiler.
if ! command -v "$python" >/dev/null; then
    lack "Python 3.10 or later, with virtual environments and headers: there is no $python"
    case ${python##*/} in python3.[0-9]*) package=${python##*/} ;; *) package=python3 ;; esac
    headers=$package-dev environments=$package-venv
    look_for g++
elif ! found=$("$python" -c '
import os, sys, sysconfig
versions = "%d.%d" % sys.version_info[:2], str(int(sys.version_info < (3, 10)))
default = os.path.realpath("/usr/bin/python3") == os.path.realpath(sys.executable) or sys.prefix != "/usr"
print(" ".join(versions) + (" python3" if default else " python%d.%d" % sys.version_info[:2]))
print(os.path.join(sysconfig.get_path("include"), "Python.h"))
print((os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0])
print((os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++").split()[0])' 2>&1); then
    lack "a Python that runs; $python says: $found"
else
    { read -r version old package && read -r header && read -r cc && read -r cxx; } <<END
$found
END
    if [ "$old" = 1 ]; then
        lack "Python 3.10 or later: $python is $version; name a later one: make PYTHON=/path/to/python3"
    else
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            lack "virtual environments (venv, ensurepip) for $python"
            environments=$package-venv
        fi
        if ! [ -e "$header" ]; then
            lack "Python's headers, with which hnswlib is compiled: there is no $header"
            headers=$package-dev
        fi
    fi
    look_for "$cc" "$cxx"
fi

[ -n "$missing" ] || exit 0
packages="${compiler:+ $compiler}${headers:+ $headers}${environments:+ $environments}"
sudo='sudo '
[ "$(id -u)" -ne 0 ] || sudo=''
{
    echo "SoftCore's set-up needs what isn't here:$missing"
    [ -z "$packages" ] || printf 'On Debian and Ubuntu:\n  %sapt install%s\n' "$sudo" "$packages"
} >&2
exit 2
