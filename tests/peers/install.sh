#!/usr/bin/env bash
# Installs the real MCP software that Trunkline is tested against.
#
#   tests/peers/install.sh          npm and python
#   tests/peers/install.sh GROUP... only the named groups
#
#   npm       the conformance suite, two generations of the TypeScript SDK, published servers, Node 24
#   python    three venvs: a client on mcp 2.3, a client on mcp 1.16, two published servers
#   rmcp      builds the rmcp servers and client with cargo (about a minute)
#   old-npm, old-python, old-rmcp
#             releases of 2024 and 2025 that people still run: for the compatibility matrix and the hostile start-up test
#
# The cache folder is $TRUNKLINE_PEERS, by default ${XDG_CACHE_HOME:-$HOME/.cache}/trunkline/peers.
# Each part is keyed by the hash of its lock file: a second run does nothing, and a changed lock
# rebuilds only its own part. Needs node >= 20 with npm, python >= 3.11 with venv, and git (for
# mcp-server-git). Nothing is written beside this script, so a read-only checkout will do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${TRUNKLINE_PEERS:-${XDG_CACHE_HOME:-${HOME:?set HOME or TRUNKLINE_PEERS}/.cache}/trunkline/peers}
groups=${*:-npm python}

say() { printf '%s\n' "$*" >&2; }
hash_of() { cat "$@" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -d' ' -f1; }
is_current() { [[ -f $1/.stamp && $(<"$1/.stamp") == "$2" ]]; }

# The stamp is written last: a part that was interrupted is built again from nothing.
install_npm() {
    local from=$here/npm/$1 into=$peers/npm/$1 key
    key=$(hash_of "$from/package.json" "$from/package-lock.json")
    is_current "$into" "$key" && return
    say "peers: installing npm/$1"
    rm -rf "$into"
    mkdir -p "$into"
    cp "$from/package.json" "$from/package-lock.json" "$into/"
    chmod u+w "$into"/*.json
    # No install scripts: the Node binary comes as a plain file in a platform package, and nothing
    # else here needs one.
    (cd "$into" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >&2)
    printf '%s' "$key" >"$into/.stamp"
}

install_python() {
    local lock=$here/python/requirements-$1.txt into=$peers/python/$1 key
    key=$(hash_of "$lock")
    is_current "$into" "$key" && return
    say "peers: installing python/$1"
    rm -rf "$into"
    python3 -m venv "$into"
    "$into/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps -r "$lock" >&2
    printf '%s' "$key" >"$into/.stamp"
}

# Cargo does its own bookkeeping; the build folder stays, so a change of ours costs seconds.
install_rmcp() {
    local from=$here/$1 into=$peers/$1 key
    local sources
    mapfile -t sources < <(find "$from/src" -name '*.rs' | LC_ALL=C sort)
    key=$(hash_of "$from/Cargo.toml" "$from/Cargo.lock" "${sources[@]}")
    is_current "$into" "$key" && return
    say "peers: building $1"
    rm -rf "$into/package"
    mkdir -p "$into/package" "$into/bin"
    cp -R "$from/Cargo.toml" "$from/Cargo.lock" "$from/src" "$into/package/"
    chmod -R u+w "$into/package"
    CARGO_TARGET_DIR=$into/target cargo build --locked --quiet --manifest-path "$into/package/Cargo.toml" >&2
    find "$into/target/debug" -maxdepth 1 -type f -executable -name "$1-*" -exec cp {} "$into/bin/" ';'
    printf '%s' "$key" >"$into/.stamp"
}

# The suite's bundle holds the JSON schemas of the revisions; the matrix wants them as files.
unpack_schemas() {
    local bundle=$peers/npm/suite/node_modules/@modelcontextprotocol/conformance/dist/index.js into=$peers/schemas key
    key=$(hash_of "$here/schemas.mjs" "$bundle")
    is_current "$into" "$key" && return
    say "peers: unpacking schemas"
    rm -rf "$into"
    node "$here/schemas.mjs" "$bundle" "$into"
    printf '%s' "$key" >"$into/.stamp"
}

# The suite and the fixtures want Node >= 22; the package holds one binary per platform.
link_node() {
    local binary
    for binary in "$peers"/npm/suite/node_modules/node-*/bin/node; do
        [[ -x $binary ]] || continue
        ln -sfn "$binary" "$peers/bin/node"
        return
    done
    say "peers: no Node package for this platform; using the one on PATH"
    ln -sfn "$(command -v node)" "$peers/bin/node"
}

mkdir -p "$peers/bin" "$peers/npm" "$peers/python"

# Two builders may share the cache: the second one waits, then finds everything current.
if command -v flock >/dev/null; then
    exec 9>"$peers/.lock"
    flock 9
fi

for group in $groups; do
    case $group in
    npm)
        for part in suite v2 legacy; do install_npm "$part"; done
        link_node
        unpack_schemas
        ;;
    python)
        command -v git >/dev/null || say "peers: git is missing, mcp-server-git will not start"
        for part in client-2 client-1 servers; do install_python "$part"; done
        ;;
    rmcp) install_rmcp rmcp ;;
    old-npm) install_npm old ;;
    old-python)
        for part in old-12 old-16 old-130; do install_python "$part"; done
        ;;
    old-rmcp) install_rmcp rmcp-old ;;
    *)
        say "peers: no group '$group' (npm, python, rmcp, old-npm, old-python, old-rmcp)"
        exit 2
        ;;
    esac
done

# Paths, one NAME=VALUE a line, ready for `eval` or a test to read.
npm=$peers/npm
cat <<PATHS
TRUNKLINE_PEERS=$peers
PEER_NODE=$peers/bin/node
PEER_CONFORMANCE_2=$npm/suite/node_modules/@modelcontextprotocol/conformance/dist/index.js
PEER_CONFORMANCE_1=$npm/suite/node_modules/conformance-0.1/dist/index.js
PEER_EVERYTHING=$npm/legacy/node_modules/@modelcontextprotocol/server-everything/dist/index.js
PEER_EVERYTHING_0_6=$npm/legacy/node_modules/server-everything-0.6/dist/index.js
PEER_FILESYSTEM=$npm/legacy/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js
PEER_MEMORY=$npm/legacy/node_modules/@modelcontextprotocol/server-memory/dist/index.js
PEER_PYTHON_2=$peers/python/client-2/bin/python
PEER_PYTHON_1=$peers/python/client-1/bin/python
PEER_TIME=$peers/python/servers/bin/mcp-server-time
PEER_GIT=$peers/python/servers/bin/mcp-server-git
PEER_RMCP_SERVER=$peers/rmcp/bin/rmcp-server
PEER_RMCP_CLIENT=$peers/rmcp/bin/rmcp-client
PEER_RMCP_SUITE=$peers/rmcp/bin/rmcp-suite
PEER_SCHEMAS=$peers/schemas
PEER_EVERYTHING_2025=$npm/old/node_modules/@modelcontextprotocol/server-everything/dist/index.js
PEER_PYTHON_1_2=$peers/python/old-12/bin/python
PEER_PYTHON_1_6=$peers/python/old-16/bin/python
PEER_PYTHON_1_30=$peers/python/old-130/bin/python
PEER_TIME_1_2=$peers/python/old-12/bin/mcp-server-time
PEER_TIME_1_6=$peers/python/old-16/bin/mcp-server-time
PEER_RMCP_OLD_SERVER=$peers/rmcp-old/bin/rmcp-old-server
PEER_RMCP_OLD_CLIENT=$peers/rmcp-old/bin/rmcp-old-client
PATHS
