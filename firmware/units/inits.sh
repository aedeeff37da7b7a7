#!/bin/sh
# inits.sh - brings Debian's packages of the other init systems into the cache, once,
# for the tests of this directory: OpenRC, and sysvinit's own scripts. Nothing is
# installed here; a machine of the tests' own installs them.
#
# usage: firmware/units/inits.sh
# cache: $KENTONGAN_INITS, or kentongan-inits in $XDG_CACHE_HOME or ~/.cache, and in
#        it a directory for this Debian's version
set -eu

[ "$(id -u)" -eq 0 ] || exit 0 # a container needs root: the tests are skipped

# Packages of one Debian are not for another.
cache=${KENTONGAN_INITS:-${XDG_CACHE_HOME:-$HOME/.cache}/kentongan-inits}/$(. /etc/os-release; echo "${VERSION_ID:-testing}")
packages='sysvinit-core initscripts insserv sysv-rc startpar openrc libeinfo1 librc1'

for p in $packages; do
	ls "$cache/$p"_*.deb >/dev/null 2>&1 || missing="${missing:-} $p"
done
[ -n "${missing:-}" ] || exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/new.XXXXXX") # a download that is cut off must not lie under its name
trap 'rm -rf "$work"' EXIT
cd "$work"
download() {
	# shellcheck disable=SC2086
	apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 download $missing >&2
}
if ! download; then
	apt-get -qq update >&2 # as root; without the lists there is nothing to download
	download
fi
mv ./*.deb "$cache"
echo "inits.sh:$missing are in $cache" >&2
