#!/bin/sh
# start-here.sh DIR PORT NAME:PASSWORD...
# Starts Mosquitto in the foreground with kentongan.conf and kentongan.acl, as
# the user who calls it, on 127.0.0.1:PORT, with everything that it writes in
# DIR. Each NAME:PASSWORD is an account; the centre's is called centre.
set -eu
if [ $# -lt 3 ]; then
	echo "usage: start-here.sh DIR PORT NAME:PASSWORD..." >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
dir=$1 port=$2
shift 2
for program in mosquitto mosquitto_passwd; do
	command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin
	command -v "$program" >/dev/null || {
		echo "start-here.sh: no $program on this machine; apt-get install mosquitto" >&2
		exit 1
	}
done
mkdir -p "$dir/conf.d"
dir=$(cd "$dir" && pwd)
umask 077
printf '%s\n' "$@" >"$dir/passwd"
mosquitto_passwd -U "$dir/passwd"
cp "$here/kentongan.acl" "$dir/acl"
sed -e "s|^listener 1883 |listener $port |" \
	-e "s|^password_file .*|password_file $dir/passwd|" \
	-e "s|^acl_file .*|acl_file $dir/acl|" \
	"$here/kentongan.conf" >"$dir/conf.d/kentongan.conf"
# What Debian's /etc/mosquitto/mosquitto.conf says, with DIR for its folders.
cat >"$dir/mosquitto.conf" <<END
persistence true
persistence_location $dir/
log_dest stderr
include_dir $dir/conf.d
END
# As root, Mosquitto would change to an account that can't read DIR.
[ "$(id -u)" -ne 0 ] || echo "user root" >>"$dir/mosquitto.conf"
exec mosquitto -c "$dir/mosquitto.conf"
