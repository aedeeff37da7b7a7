#!/bin/sh
# axe.sh - brings axe-core, which the accessibility test runs in the browser, into
# the cache, once, with npm.
#
# cache: kentongan in $XDG_CACHE_HOME or ~/.cache
set -eu
version=4.14.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kentongan
[ -s "$cache/axe-$version.min.js" ] && exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/axe.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "axe-core@$version" >/dev/null
tar -xzf "axe-core-$version.tgz" package/axe.min.js
mv package/axe.min.js "$cache/axe-$version.min.js"
