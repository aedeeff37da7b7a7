#!/bin/sh
# fetch.sh - brings what the emulated ARM machines need into the cache, once:
# Debian's arm64 and armhf kernels with the few modules that a disk, a network,
# a watchdog and sensors need, from this machine's own apt sources, but with package
# lists of their own, so that the machine's apt knows nothing of ARM afterwards.
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

# In the order in which they have to be loaded.
modules='crc16 mbcache jbd2 crc32c_generic ext4
	virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_mmio virtio_blk
	failover net_failover virtio_net virtio_input'
# Apart, because only the tests of sensors load them: a USB adapter of an I2C bus,
# and the drivers of what is on it.
sensors='usb-common usbcore xhci-hcd xhci-pci i2c-tiny-usb i2c-dev
	crc8 lm75 sht3x industrialio bmp280 bmp280-i2c wire ds2482 w1_therm'

# fetch ARCH PACKAGE KERNEL WATCHDOG...: the kernel's modules, then the kernel
# itself, whose presence means that all is there.
fetch() {
	arch=$1 meta=$2 kernel=$3
	shift 3
	wanted=$(echo $modules "$@" - $sensors)
	[ -s "$cache/$kernel" ] && [ "$(cat "$cache/modules-$arch/list" 2>/dev/null)" = "$wanted" ] && return
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
	: >"$work/status"
	# A third source that has nothing for ARM is no reason to stop.
	apt_of apt-get update >&2 || echo 'fetch.sh: some sources failed; going on with the others' >&2
	package=$(apt_of apt-cache show "$meta" | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
	if [ -z "$package" ]; then
		echo "fetch.sh: apt knows no $meta; are Debian's sources in /etc/apt?" >&2
		exit 1
	fi
	(cd "$work" && apt_of apt-get download "$package" >&2)
	dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work"
	unpack "$work/modules" $modules "$@"
	unpack "$work/sensors" $sensors
	echo "$wanted" >"$work/modules/list"
	rm -rf "$cache/modules-$arch" "$cache/sensors-$arch"
	mv "$work/sensors" "$cache/sensors-$arch"
	mv "$work/modules" "$cache/modules-$arch"
	echo "$package" >"$cache/$kernel.package"
	mv "$work"/boot/vmlinuz-* "$cache/$kernel"
	rm -rf "$work"
	trap - EXIT
	echo "fetch.sh: $package is in $cache" >&2
}

# unpack DIRECTORY MODULE...: numbered, so that a program needs no list.
unpack() {
	into=$1 n=10
	shift
	mkdir -p "$into"
	for m in "$@"; do
		path=$(find "$work/lib" -name "$m.ko*" | head -n 1)
		case $path in
		'') continue ;; # built in
		*.xz) xz -dc "$path" >"$into/$n-$m.ko" ;;
		*) cp "$path" "$into/$n-$m.ko" ;;
		esac
		n=$((n + 1))
	done
}

apt_of() {
	command=$1
	shift
	"$command" -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
		-o Dir::State="$work/state" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" "$@"
}

fetch arm64 linux-image-arm64 vmlinuz i6300esb
fetch armhf linux-image-armmp vmlinuz-armhf softdog
