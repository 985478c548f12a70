# shellcheck shell=sh
# Sourced by every entry of the menu: finds the checkout, makes and renews its environment.
# Presumes a POSIX shell and Python 3.11 or later. Uses uv where it is on PATH, else venv and pip; pip
# is asked as well if uv fails, because the two find indexes and certificates in different ways.
#
# Sets ROOT, VENV and PYTHON, and changes into ROOT. HOLDFAST_PYTHON names another interpreter to
# start from.

set -eu

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
VENV=$ROOT/.venv
PYTHON=$VENV/bin/python
cd "$ROOT"

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# The interpreter that environments are made from.
base_python() {
    for candidate in "${HOLDFAST_PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if have "$candidate" &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail 'Holdfast needs Python 3.11 or later: put python3 on PATH, or name one in HOLDFAST_PYTHON.'
}

# may_install: whether system packages can be installed here.
may_install() {
    [ "${NO_INSTALL:-}" != yes ] && [ -f /etc/debian_version ] && have apt-get && [ "$(id -u)" = 0 ]
}

# install_system PACKAGE…: says what it installs; false where it may not or did not.
install_system() {
    may_install || return 1
    say "Installing system packages: $*"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq >&2 || say 'The package lists could not be renewed.'
    apt-get install -y -qq --no-install-recommends "$@" >&2
}

# make_venv DIRECTORY
make_venv() {
    base=$(base_python)
    rm -rf "$1"
    if have uv; then
        uv venv --quiet --python "$base" "$1" >&2
        return
    fi
    "$base" -c 'import ensurepip, venv' 2>/dev/null || install_system python3-venv ||
        fail 'This Python cannot make environments: install its venv module (on Debian: python3-venv).'
    "$base" -m venv "$1" >&2
}

# install_into DIRECTORY ARGUMENT…: the arguments are the same for uv and pip.
install_into() {
    target=$1/bin/python
    shift
    if have uv; then
        uv pip install --quiet --python "$target" "$@" >&2 && return
        say 'uv could not install; trying pip.'
    fi
    "$target" -c 'import pip' 2>/dev/null || "$target" -m ensurepip >&2
    # The first pip that knows dependency groups is 25.1.
    "$target" -m pip install --quiet --disable-pip-version-check 'pip>=25.1' >&2
    "$target" -m pip install --quiet --disable-pip-version-check "$@" >&2
}

stamp() {
    { printf '%s\n' "$ROOT" && cat pyproject.toml; } | cksum
}

# is_current KIND: the environment was made for this checkout and this pyproject.toml.
is_current() {
    [ -f "$VENV/.holdfast-$1" ] && [ "$(cat "$VENV/.holdfast-$1")" = "$(stamp)" ] &&
        "$PYTHON" -c '' 2>/dev/null
}

# environment run|dev: what the service needs, or all extras with the contributor's tools.
environment() {
    # Two entries of the menu at the same time must not build the same environment.
    exec 9>"$ROOT/.venv.lock"
    if have flock; then flock 9; fi
    if ! is_current dev && ! { [ "$1" = run ] && is_current run; }; then
        say 'Preparing the environment in .venv (only now, and when pyproject.toml changes).'
        "$PYTHON" -c '' 2>/dev/null || make_venv "$VENV"
        case $1 in
            run) install_into "$VENV" -e '.[service]' ;;
            dev) install_into "$VENV" -e '.[all]' --group dev ;;
        esac
        stamp >"$VENV/.holdfast-$1"
    fi
    exec 9>&-
}
