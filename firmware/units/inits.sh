#!/bin/sh
# inits.sh - brings Debian's packages of the other init systems into the cache, once,
# for the tests of this directory: OpenRC, and sysvinit's own scripts. Nothing is
# installed here; a machine of the tests' own installs them.
#
# usage: firmware/units/inits.sh
# cache: $KENTONGAN_INITS, or kentongan-inits in $XDG_CACHE_HOME or ~/.cache
set -eu

cache=${KENTONGAN_INITS:-${XDG_CACHE_HOME:-$HOME/.cache}/kentongan-inits}
packages='sysvinit-core initscripts insserv sysv-rc startpar openrc libeinfo1 librc1'

for p in $packages; do
	ls "$cache/$p"_*.deb >/dev/null 2>&1 || missing="${missing:-} $p"
done
[ -n "${missing:-}" ] || exit 0
mkdir -p "$cache"
cd "$cache"
download() {
	# shellcheck disable=SC2086
	apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 download $missing >&2
}
if ! download; then
	apt-get -qq update >&2 # as root; without the lists there is nothing to download
	download
fi
echo "inits.sh:$missing are in $cache" >&2
