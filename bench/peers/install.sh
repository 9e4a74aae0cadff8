#!/usr/bin/env bash
# Installs the software that Trunkline is measured beside.
#
#   bench/peers/install.sh          everything
#   bench/peers/install.sh GROUP... only the named groups
#
#   nginx     Debian's package; the one on PATH if there is one, else unpacked here (nothing is installed or started)
#   python    two venvs: FastMCP, mcp-proxy
#   npm       mcp-proxy, supergateway, and the Node 24 they run on
#   rmcp      builds the proxy in rmcp-proxy/ with cargo, release profile (about a minute and a half)
#
# agentgateway comes from no registry: name its binary with `--agentgateway PATH`.
#
# The cache folder is $TRUNKLINE_BENCH_PEERS, by default ${XDG_CACHE_HOME:-$HOME/.cache}/trunkline/bench-peers.
# Each part is keyed by the hash of its lock file: a second run does nothing, and a changed lock
# rebuilds only its own part. A group that cannot be installed is told with the reason and the others go on;
# the exit code is then 1. Nothing is written beside this script, so a read-only checkout will do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${TRUNKLINE_BENCH_PEERS:-${XDG_CACHE_HOME:-${HOME:?set HOME or TRUNKLINE_BENCH_PEERS}/.cache}/trunkline/bench-peers}
groups=${*:-nginx python npm rmcp}

say() { printf '%s\n' "$*" >&2; }
hash_of() { cat "$@" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1; }
is_current() { [[ -f $1/.stamp && $(<"$1/.stamp") == "$2" ]]; }
has() { command -v "$1" >/dev/null || { say "bench peers: $1 is missing"; return 1; }; }

# Debian keeps only its newest builds, so there is no version to pin; the one at hand is told with the figures.
# Unpacked, not installed: the package would start a service on port 80.
install_nginx() {
    local into=$peers/nginx package
    [[ -n $(system_nginx) ]] && return
    "$into/usr/sbin/nginx" -v 2>/dev/null && return
    has apt-get && has dpkg-deb || return
    say "bench peers: unpacking nginx"
    rm -rf "$into"
    mkdir -p "$into"
    # No list of packages yet: only root may fetch it.
    apt-cache show nginx >/dev/null 2>&1 || [[ $(id -u) != 0 ]] || apt-get update -qq >&2
    (cd "$into" && apt-get download -qq nginx >&2) || { say "bench peers: apt-get cannot download nginx"; return 1; }
    package=$(find "$into" -name 'nginx_*.deb')
    dpkg-deb -x "$package" "$into"
    rm -f "$package"
    "$into/usr/sbin/nginx" -v || { say "bench peers: nginx lacks a library of this system"; return 1; }
}

system_nginx() { PATH=$PATH:/usr/sbin command -v nginx || true; }

# The stamp is written last: a part that was interrupted is built again from nothing.
install_npm() {
    local from=$here/npm into=$peers/npm key
    key=$(hash_of "$from/package.json" "$from/package-lock.json")
    is_current "$into" "$key" && return
    has npm || return
    say "bench peers: installing npm"
    rm -rf "$into"
    mkdir -p "$into"
    cp "$from/package.json" "$from/package-lock.json" "$into/"
    chmod u+w "$into"/*.json
    # No install scripts: the Node binary comes as a plain file in a platform package, and nothing else needs one.
    (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >&2) || return
    link_node "$into"
    printf '%s' "$key" >"$into/.stamp"
}

# One of the packages wants Node >= 22, and figures of two machines should be of the same Node.
link_node() {
    local binary
    for binary in "$1"/node_modules/node-*/bin/node; do
        [[ -x $binary ]] || continue
        ln -sfn "$binary" "$1/node"
        return
    done
    say "bench peers: no Node package for this platform; using the one on PATH"
    ln -sfn "$(command -v node)" "$1/node"
}

install_python() {
    local lock=$here/python/requirements-$1.txt into=$peers/python/$1 key
    key=$(hash_of "$lock")
    is_current "$into" "$key" && return
    has python3 || return
    say "bench peers: installing python/$1"
    rm -rf "$into"
    python3 -m venv "$into" || return
    "$into/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps -r "$lock" >&2 || return
    printf '%s' "$key" >"$into/.stamp"
}

# Cargo does its own bookkeeping; the build folder stays, so a change of ours costs seconds.
install_rmcp() {
    local from=$here/rmcp-proxy into=$peers/rmcp-proxy key
    key=$(hash_of "$from/Cargo.toml" "$from/Cargo.lock" "$from/src/main.rs")
    is_current "$into" "$key" && return
    has cargo || return
    say "bench peers: building rmcp-proxy"
    rm -rf "$into/package"
    mkdir -p "$into/package"
    cp -R "$from/Cargo.toml" "$from/Cargo.lock" "$from/src" "$into/package/"
    chmod -R u+w "$into/package"
    CARGO_TARGET_DIR=$into/target cargo build --release --locked --quiet \
        --manifest-path "$into/package/Cargo.toml" >&2 || return
    cp "$into/target/release/rmcp-proxy" "$into/rmcp-proxy" || return
    printf '%s' "$key" >"$into/.stamp"
}

mkdir -p "$peers"

# Two builders may share the cache: the second one waits, then finds everything current.
if command -v flock >/dev/null; then
    exec 9>"$peers/.lock"
    flock 9
fi

failed=0
attempt() { "$@" || { say "bench peers: not at hand: $*"; failed=1; }; }

for group in $groups; do
    case $group in
    nginx) attempt install_nginx ;;
    python) for part in fastmcp mcp-proxy; do attempt install_python "$part"; done ;;
    npm) attempt install_npm ;;
    rmcp) attempt install_rmcp ;;
    *)
        say "bench peers: no group '$group' (nginx, python, npm, rmcp)"
        exit 2
        ;;
    esac
done

# What is at hand, one NAME=PATH a line.
tell() { [[ ! -e $2 ]] || printf '%s=%s\n' "$1" "$2"; }
unpacked=$peers/nginx/usr/sbin/nginx
nginx=$(system_nginx)
tell nginx "${nginx:-$unpacked}"
tell rmcp-proxy "$peers/rmcp-proxy/rmcp-proxy"
tell fastmcp "$peers/python/fastmcp/bin/python"
tell mcp-proxy-python "$peers/python/mcp-proxy/bin/mcp-proxy"
tell mcp-proxy-npm "$peers/npm/node_modules/mcp-proxy/dist/bin/mcp-proxy.mjs"
tell supergateway "$peers/npm/node_modules/supergateway/dist/index.js"
tell node "$peers/npm/node"
exit "$failed"
