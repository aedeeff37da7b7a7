#!/bin/sh
# tools.sh - brings AsyncAPI's schema of its own documents, which the test of
# asyncapi.json uses, into the cache, once, with npm.
#
# cache: kentongan in $XDG_CACHE_HOME or ~/.cache
set -eu
version=6.11.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kentongan
[ -s "$cache/asyncapi-3.0.0.json" ] && exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/asyncapi.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "@asyncapi/specs@$version" >/dev/null
tar -xzf asyncapi-specs-*.tgz package/schemas/3.0.0.json
mv package/schemas/3.0.0.json "$cache/asyncapi-3.0.0.json"
