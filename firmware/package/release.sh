#!/bin/bash
# release.sh deb|release: what is handed out, into dist/release. `make` calls it.
# The same source, keys and number give the same bytes, whatever the directory.
#
#	VERSION      of the programs, as `git describe` says it
#	KEYS         the signed list of keys that boards shall believe
#	RELEASE_KEY  file with the key that signs the release and the checksums
#	NUMBER       of the release; it rises with each one (the commit's time without it)
#	BASES        earlier dist/release directories, for patches from their programs
#	EPOCH        seconds since 1970, the time of all that is made (the commit's without it)
#
# Without KEYS, keys for trials are made in dist/trial-keys: never hand those out.
set -euo pipefail
cd "$(dirname "$0")/../.."
what=$1
version=${VERSION:?}
epoch=${EPOCH:-$(git log -1 --format=%ct)}
number=${NUMBER:-$epoch}
out=dist/release tools=dist/tools bundle=dist/bundle
export CGO_ENABLED=0
arches=(armel armhf arm64 amd64)
declare -A target=([armel]=armv6 [armhf]=armv7 [arm64]=arm64 [amd64]=amd64)
declare -A platform=([armel]=linux/arm/6 [armhf]=linux/arm/7 [arm64]=linux/arm64 [amd64]=linux/amd64)

rm -rf $out $bundle
mkdir -p $out $tools
go build -C firmware/package -o ../../$tools/package .
go build -trimpath -o $tools/ ./cmd/kentongan ./cmd/kentongan-boot ./cmd/kentongan-centre
centre=$tools/kentongan-centre

if [ -z "${KEYS:-}" ]; then
	trial=dist/trial-keys
	if [ ! -e $trial/keys ]; then
		rm -rf $trial && mkdir -p $trial
		root=$($centre bundle keygen --out $trial/root.key trial-root)
		release=$($centre bundle keygen --out $trial/release.key trial-release)
		$centre bundle keys --version 1 --threshold 1 --root "$root" --release "$release" --out $trial/keys.new >/dev/null
		$centre bundle sign --key $trial/root.key $trial/keys.new >/dev/null
		mv $trial/keys.new $trial/keys
	fi
	KEYS=$trial/keys RELEASE_KEY=$trial/release.key
	echo "KEYS is not set: signed with keys for trials, from $trial. Do not hand this out." >&2
fi
: "${RELEASE_KEY:?names no file; it is the key that signs the release}"

programs=() patches=()
for a in "${arches[@]}"; do
	programs+=("${platform[$a]}=dist/kentongan-linux-${target[$a]}")
	for base in ${BASES:-}; do
		patches+=(--base "${platform[$a]}=$base/kentongan-linux-${target[$a]}")
	done
done
$centre bundle make --number "$number" --version "$version" --issued "$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)" --keys "$KEYS" --out $bundle "${patches[@]}" "${programs[@]}"
$centre bundle sign --key "$RELEASE_KEY" $bundle/release >/dev/null
for a in "${arches[@]}"; do
	$tools/package deb --version "$version" --arch "$a" --time "$epoch" --out $out --release $bundle \
		--program "dist/kentongan-linux-${target[$a]}" --launcher "dist/kentongan-boot-linux-${target[$a]}" \
		--help-of $tools/kentongan --launcher-help-of $tools/kentongan-boot
done
if command -v lintian >/dev/null; then
	lintian --allow-root --fail-on error,warning $out/*.deb
	echo "lintian has nothing to say"
else
	echo "lintian is not here: the packages are as they were when it had nothing to say; apt install lintian" >&2
fi
[ "$what" = release ] || exit 0

$centre bundle pack --out "$out/kentongan-$number.bundle" $bundle
cp "$KEYS" $out/keys
for a in "${arches[@]}"; do
	cp "dist/kentongan-linux-${target[$a]}" "dist/kentongan-boot-linux-${target[$a]}" $out/
	$tools/package sbom --version "$version" --time "$epoch" --out "$out/kentongan-linux-${target[$a]}.cdx.json" \
		"dist/kentongan-linux-${target[$a]}" "dist/kentongan-boot-linux-${target[$a]}"
done
for c in dist/kentongan-centre-linux-*; do
	cp "$c" $out/
	$tools/package sbom --version "$version" --time "$epoch" --out "$out/${c##*/}.cdx.json" "$c"
done
$centre bundle sums --key "$RELEASE_KEY" --out $out $out/*
$centre bundle verify --keys "$KEYS" $out/SHA256SUMS.note
ls -l $out | awk 'NR > 1 {printf "%-44s %7.2f MiB\n", $NF, $5/1048576}'
