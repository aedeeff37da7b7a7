#!/bin/sh
# fetch.sh - brings what the emulated ARM machine needs into the cache, once:
# Debian's arm64 kernel, with this machine's own apt sources, but with a package
# list of its own, so that the machine's apt knows nothing of arm64 afterwards.
# With --install it also installs the emulators (as root).
#
# usage: hal/rig/fetch.sh [--install]
# cache: $KENTONGAN_RIG, or kentongan-rig in $XDG_CACHE_HOME or ~/.cache
set -eu

cache=${KENTONGAN_RIG:-${XDG_CACHE_HOME:-$HOME/.cache}/kentongan-rig}

if [ "${1:-}" = --install ]; then
	if ! command -v qemu-system-aarch64 >/dev/null || ! command -v qemu-arm >/dev/null; then
		apt-get install -y --no-install-recommends qemu-system-arm qemu-user
	fi
fi

[ -s "$cache/vmlinuz" ] && exit 0
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
: >"$work/status"

arm64() {
	command=$1
	shift
	"$command" -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
		-o Dir::State="$work/state" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" "$@"
}

# A third source that has nothing for arm64 is no reason to stop.
arm64 apt-get update >&2 || echo 'fetch.sh: some sources failed; going on with the others' >&2
package=$(arm64 apt-cache show linux-image-arm64 | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
if [ -z "$package" ]; then
	echo "fetch.sh: apt knows no linux-image-arm64; are Debian's sources in /etc/apt?" >&2
	exit 1
fi
(cd "$work" && arm64 apt-get download "$package" >&2)
dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" --wildcards './boot/vmlinuz-*'
mv "$work"/boot/vmlinuz-* "$work/vmlinuz"
echo "$package" >"$cache/kernel"
mv "$work/vmlinuz" "$cache/vmlinuz" # last: its presence means that all is there
echo "fetch.sh: $package is in $cache" >&2
