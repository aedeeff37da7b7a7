package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// problemRows has one row for each kind of problem: what is added to least,
// from line 5 on, and what Load says.
var problemRows = []struct{ name, text, want string }{
	{"unknown key", "devise: x\n", `5:1: devise: unknown key; did you mean device?`},
	{"unknown key, no idea", "colour: red\n", `5:1: colour: unknown key; the keys here are device, site, data, spool, uplink, checkpoints, streams, pictures, groups, apps, board, kiosk, sensors, lines, watchdog, page, update, metrics, log, stats_every`},
	{"key of another section", "keepalive: 5s\n", `5:1: keepalive: unknown key here; it belongs to uplink.keepalive`},
	{"key of a list's items", "fingerprint: aa\n", `5:1: fingerprint: unknown key here; it belongs to streams[].fingerprint`},
	{"no space after the colon", "streams: [{name: a, url: 'rtsp://h/', password:s3cret}]\n", `5:39: streams[0].password: unknown key; write a space after the colon: KEY: VALUE`},
	{"key twice", "device: x\n", `5:1: device: written twice, first in line 1; keep one`},
	{"key that is a list", "? [a]\n: 1\n", `5:3: a list where a key is expected; write KEY: VALUE`},
	{"alias", "data: &d /d\nspool: {mirror: *d}\n", "5:7: data: &d names a value for use elsewhere (a YAML anchor), which is not allowed; remove it\n" +
		`6:17: spool.mirror: *d stands for a value elsewhere (a YAML alias), which is not allowed; write the value out`},
	{"merge key", "log: {<<: {level: info}}\n", `5:7: log.<<: unknown key; the keys here are level`},
	{"tag", "data: !!str /d\n", `5:7: data: "!!str" is a YAML tag, which is not allowed; remove it`},

	{"section where text is expected", "data: {a: b}\n", `5:7: data: a section where a path is expected`},
	{"list where a duration is expected", "stats_every: [10s]\n", `5:14: stats_every: a list where a duration is expected`},
	{"text where a section is expected", "site: Balai Kota\n", `5:7: site: a single value where a section is expected; write its keys below it, indented: name, lat, lon`},
	{"section where a list is expected", "streams: {name: gate}\n", `5:10: streams: a section where a list is expected; begin each item with a hyphen: - name: ...`},
	{"text where an item is expected", "streams: [gate]\n", `5:11: streams[0]: a single value where an item is expected; write - name: ... and its other keys below`},
	{"no value", "data:\n", `5:1: data: no value; write one or remove the line`},
	{"no text where it has a default", "data: ''\n", `5:7: data: empty; write a value or remove the line`},
	{"empty duration", "stats_every: ''\n", `5:14: stats_every: empty; write a value or remove the line`},
	{"password without user, both empty", "streams: [{name: , url: 'rtsp://h/', username: , password: }]\n", `5:12: streams[0].name: no value; write one or remove the line`},
	{"boolean where text is expected", "site: {name: true}\n", `5:14: site.name: "true" is a boolean where text is expected; put it into quotes`},
	{"text where an integer is expected", "kiosk: {number: '7'}\n", `5:17: kiosk.number: "7" is text where an integer is expected; remove the quotes`},

	{"integer too large", "kiosk: {number: 1048576}\n", `5:17: kiosk.number: "1048576" is out of range; write 0 to 1048575`},
	{"integer far too large", "kiosk: {number: 99999999999999999999}\n", `5:17: kiosk.number: "99999999999999999999" is out of range; write 0 to 1048575`},
	{"integer negative", "kiosk: {number: -1}\n", `5:17: kiosk.number: "-1" is out of range; write 0 to 1048575`},
	{"integer octal", "kiosk: {number: 007}\n", `5:17: kiosk.number: "007" is not a plain whole number; write 0 to 1048575 in decimal digits`},
	{"integer hexadecimal", "kiosk: {number: 0x7}\n", `5:17: kiosk.number: "0x7" is not a plain whole number; write 0 to 1048575 in decimal digits`},
	{"number", "site: {lat: south, lon: 106}\n", `5:13: site.lat: "south" is not a number; write -90 to 90`},
	{"number out of range", "site: {lat: 106.15, lon: -6.12}\n", `5:13: site.lat: "106.15" is out of range; write -90 to 90`},
	{"number not a number", "site: {lat: .nan, lon: 0}\n", `5:13: site.lat: ".nan" is not a number; write -90 to 90`},
	{"duration without unit", "stats_every: 10\n", `5:14: stats_every: "10" has no unit; write 10s or 10m`},
	{"duration without unit, short", gpio("number: 7") + "  buttons: [{debounce: 30, " + button("a", "GPIO1")[1:] + "]\n", `8:24: kiosk.buttons[0].debounce: "30" has no unit; write 30ms`},
	{"duration without unit, none fits", "stats_every: -5000\n", `5:14: stats_every: "-5000" has no unit; write 1s to 1h`},
	{"duration not one", "stats_every: often\n", `5:14: stats_every: "often" is not a duration; write a number and ms, s, m or h, as 10s`},
	{"duration out of range", "stats_every: 2h\n", `5:14: stats_every: "2h" is out of range; write 1s to 1h`},
	{"size without unit", "spool: {event: 64}\n", `5:16: spool.event: "64" has no unit; write a whole number and KiB, MiB or GiB, as 32MiB`},
	{"size of unknown unit", "spool: {event: 64M}\n", `5:16: spool.event: "64M": no unit "M"; write KiB, MiB or GiB, as 32MiB`},
	{"size not one", "spool: {event: 1.5MiB}\n", `5:16: spool.event: "1.5MiB" is not a size; write a whole number and KiB, MiB or GiB, as 32MiB`},
	{"size out of range", "spool: {event: 1KiB}\n", `5:16: spool.event: "1KiB" is out of range; write 1MiB to 4GiB`},
	{"size that overflows", "spool: {event: 999999999999999999GiB}\n", `5:16: spool.event: "999999999999999999GiB" is out of range; write 1MiB to 4GiB`},
	{"enum", "log: {level: loud}\n", `5:14: log.level: "loud" is not one of debug, info, warn, error`},
	{"enum, nearly", "log: {level: warning}\n", `5:14: log.level: "warning" is not one of debug, info, warn, error`},
	{"enum, more nearly", "log: {level: inof}\n", `5:14: log.level: "inof" is not one of debug, info, warn, error; did you mean info?`},
	{"boolean", "uplink2: 1\n", `5:1: uplink2: unknown key; did you mean uplink?`},
	{"text with a line end", "site: {name: \"a\\nb\"}\n", `5:14: site.name: holds a line end or a control character; write it on one line`},
	{"text too long", "site: {name: " + strings.Repeat("a", 101) + "}\n", `5:14: site.name: 101 characters; at most 100`},
	{"home directory", "data: ~/data\n", `5:7: data: "~/data": ~ means nothing here; write the whole path`},

	{"coordinates apart", "site: {lat: -6.12}\n", `5:13: site.lat: there is no lon; lat and lon come together`},
	{"coordinates apart, and wrong", "site: {lat: south}\n", "5:13: site.lat: \"south\" is not a number; write -90 to 90\n" + `5:13: site.lat: there is no lon; lat and lon come together`},
	{"coordinates apart, and empty", "site: {lat: }\n", `5:8: site.lat: no value; write one or remove the line`},
	{"mirror in data", "data: /d\nspool: {mirror: /d/mirror}\n", `6:17: spool.mirror: "/d/mirror" and data "/d" lie in one another; name a directory of its own, best on a second storage`},

	{"stream without name and url", "streams:\n  - transport: tcp\n", "6:5: streams[0].name: missing; write name, as name: gate\n" + `6:5: streams[0].url: missing; write url, as url: rtsp://HOST/PATH`},
	{"stream with an empty name", "streams: [{name: '', url: 'rtsp://h/'}]\n", `5:18: streams[0].name: empty; write name, as name: gate`},
	{"stream's name", "streams: [{name: Gate 1, url: 'rtsp://h/'}]\n", `5:18: streams[0].name: "Gate 1" can't be a name; write 1 to 40 of a-z, 0-9, hyphen and underscore, beginning and ending with a letter or digit`},
	{"two streams of one name", "streams:\n- {name: a, url: 'rtsp://h/1'}\n- {name: a, url: 'rtsp://h/2'}\n", `7:10: streams[1].name: the same as streams[0].name in line 6; each needs its own`},
	{"no scheme", stream("10.0.0.5/main"), `5:28: streams[0].url: no scheme in "10.0.0.5/main"; write rtsp://HOST/PATH`},
	{"other scheme", stream("http://h/main"), `5:28: streams[0].url: scheme of "http://h/main" is not rtsp or rtsps; write rtsp://HOST/PATH`},
	{"no host", stream("rtsp:///live"), `5:28: streams[0].url: no host in "rtsp:///live"; write rtsp://HOST/PATH`},
	{"not a host", stream("rtsp://cam..era/live"), `5:28: streams[0].url: not a host name or address in "rtsp://cam..era/live"; write rtsp://HOST/PATH`},
	{"port 0", stream("rtsp://h:0/live"), `5:28: streams[0].url: port is not 1 to 65535 in "rtsp://h:0/live"; write rtsp://HOST/PATH`},
	{"port too large", stream("rtsp://h:99999/live"), `5:28: streams[0].url: port is not 1 to 65535 in "rtsp://h:99999/live"; write rtsp://HOST/PATH`},
	{"port missing", stream("rtsp://h:/live"), `5:28: streams[0].url: no port after the colon in "rtsp://h:/live"; write rtsp://HOST/PATH`},
	{"space in URL", stream("rtsp://h/a b"), `5:28: streams[0].url: a space or control character in "rtsp://h/a b"; write rtsp://HOST/PATH`},
	{"fragment", stream("rtsp://h/a#b"), `5:28: streams[0].url: a # in "rtsp://h/a#b"; write rtsp://HOST/PATH`},
	{"not a URL", stream("rtsp://h/%zz"), `5:28: streams[0].url: not a URL: "rtsp://h/%zz"; write rtsp://HOST/PATH`},
	{"slash in the password", stream("rtsp://ops:s3cret/x@h/a"), `5:28: streams[0].url: "rtsp://xxxxx@h/a" is not a URL; a user name or password with one of : / ? # @ % in it goes into username and password_file`},
	{"digits and slash in the password", stream("rtsp://ops:12/s3cret@h/a"), `5:28: streams[0].url: an @ after the host in "rtsp://xxxxx@h/a"; a user name or password goes into username and password_file, any other @ is written %40`},
	{"fingerprint", "streams: [{name: a, url: 'rtsps://h/', fingerprint: abc}]\n", `5:53: streams[0].fingerprint: "abc" is not a SHA-256 fingerprint: 64 hex digits, in pairs with colons or without`},
	{"SHA-1 fingerprint", "streams: [{name: a, url: 'rtsps://h/', fingerprint: " + strings.Repeat("ab", 20) + "}]\n", `5:53: streams[0].fingerprint: 40 hex digits are a SHA-1 fingerprint; write the SHA-256 one, 64 hex digits`},
	{"fingerprint and ca", "streams: [{name: a, url: 'rtsps://h/', ca: c, fingerprint: " + strings.Repeat("ab", 32) + "}]\n", `5:60: streams[0].fingerprint: there is a ca too; write one of the two`},
	{"ca without TLS", "streams: [{name: a, url: 'rtsp://h/', ca: c}]\n", `5:43: streams[0].ca: means nothing without TLS; write rtsps:// in url or remove it`},
	{"two passwords", "streams: [{name: a, url: 'rtsp://h/', username: u, password: s3cret, password_file: f}]\n", `5:62: streams[0].password: there is a password_file too; write one of the two`},
	{"password without user", "streams: [{name: a, url: 'rtsp://h/', password: s3cret}]\n", `5:49: streams[0].password: a password without a user name; write username too`},
	{"password file without user", "streams: [{name: a, url: 'rtsp://h/', password_file: s}]\n", `5:54: streams[0].password_file: a password without a user name; write username too`},
	{"user name twice", "streams: [{name: a, url: 'rtsp://u@h/', username: u}]\n", `5:26: streams[0].url: holds a user name, and there is username too; remove the one in url`},
	{"password in URL and beside", "streams: [{name: a, url: 'rtsp://u:s3cret@h/', password: s3cret}]\n", `5:26: streams[0].url: holds a password, and there is another below; remove the one in url`},
	{"password that is a list", "streams: [{name: a, url: 'rtsp://h/', username: u, password: [s3cret]}]\n", `5:62: streams[0].password: a list where text is expected`},
	{"password that is a boolean", "streams: [{name: a, url: 'rtsp://h/', username: u, password: true}]\n", `5:62: streams[0].password: the value is a boolean where text is expected; put it into quotes`},

	{"app of another kind", "apps: [{name: a, url: 'ftp://h/'}]\n", `5:23: apps[0].url: scheme of "ftp://h/" is not https or http; write https://HOST/PATH`},
	{"app with a user", "apps: [{name: a, url: 'https://u:p@h/'}]\n", `5:23: apps[0].url: holds a user name; an application is asked as a citizen does, without one`},
	{"app never slow", "apps: [{name: a, url: 'https://h/', timeout: 2s}]\n", `5:46: apps[0].timeout: slow_after 3s is not shorter than timeout 2s, so nothing would ever be slow; write a shorter slow_after or a longer timeout`},
	{"app's status", "apps: [{name: a, url: 'https://h/', expect_status: ok}]\n", `5:52: apps[0].expect_status: "ok" is no HTTP status; write 200, 2xx, or several with commas, as "200, 401"`},
	{"app with a CA and no TLS", "apps: [{name: a, url: 'http://h/', ca: x.pem}]\n", `5:40: apps[0].ca: means nothing without TLS; write https:// in url or remove it`},
	{"app twice", "apps: [{name: a, url: 'https://h/'}, {name: a, url: 'https://i/'}]\n", `5:45: apps[1].name: the same as apps[0].name in line 5; each needs its own`},
	{"metrics for everybody", "metrics: {listen: '0.0.0.0:9464'}\n", `5:19: metrics.listen: "0.0.0.0:9464" is not this machine alone; write 127.0.0.1:PORT or [::1]:PORT`},
	{"relative ffmpeg", "pictures: {ffmpeg: bin/ffmpeg}\n", `5:20: pictures.ffmpeg: "bin/ffmpeg" is no absolute path; write auto, off or a path, as /usr/bin/ffmpeg`},
	{"expected codec", "streams: [{name: a, url: 'rtsp://h/', expect: {codec: h264}}]\n", `5:55: streams[0].expect.codec: "h264" is not one of H264, H265, MJPEG; did you mean H264?`},
	{"expected width alone", "streams: [{name: a, url: 'rtsp://h/', expect: {width: 1920}}]\n", `5:55: streams[0].expect.width: there is no height; width and height come together`},
	{"expected frame rate of none", "streams: [{name: a, url: 'rtsp://h/', expect: {fps: 0}}]\n", `5:53: streams[0].expect.fps: "0" is out of range; write 0.1 to 240`},
	{"sub-stream that is not there", "streams: [{name: a, url: 'rtsp://h/', watch: sub}]\n", `5:46: streams[0].watch: sub is watched, and there is no sub_url; write it, or watch: main`},
	{"sub-stream without TLS", "streams: [{name: a, url: 'rtsps://h/', sub_url: 'rtsp://h/s'}]\n", `5:49: streams[0].sub_url: one of url and sub_url is rtsps, the other rtsp; a camera has one way to be asked`},
	{"user name in the sub-stream", "streams: [{name: a, url: 'rtsp://h/', sub_url: 'rtsp://u:s3cret@h/s'}]\n", `5:48: streams[0].sub_url: holds a user name; the stream's username and password are used here too, so take them out of this one`},
	{"name of a sub-stream is taken", "streams: [{name: a, url: 'rtsp://h/', sub_url: 'rtsp://h/s', watch: both}, {name: a_sub, url: 'rtsp://g/'}]\n", `5:18: streams[0].name: its second stream is called a_sub, as streams[1] is; rename one`},
	{"name too long for a sub-stream", "streams: [{name: a234567890123456789012345678901234567, url: 'rtsp://h/', sub_url: 'rtsp://h/s', watch: both}]\n", `5:18: streams[0].name: "a234567890123456789012345678901234567" is too long to have a second stream, which is called NAME_sub; shorten it to 36`},
	{"relay without a board", "streams: [{name: a, url: 'rtsp://h/', recovery: {power: {line: GPIO5}}}]\n", `5:57: streams[0].recovery.power: a relay needs a board; write board: {driver: gpio}`},
	{"relay without a line", "board: {driver: gpio}\nstreams: [{name: a, url: 'rtsp://h/', recovery: {power: {off: 5s}}}]\n", `6:57: streams[0].recovery.power.line: missing; write line, as line: GPIO17`},
	{"relay's line used twice", "board: {driver: gpio}\nstreams: [{name: a, url: 'rtsp://h/', recovery: {power: {line: GPIO5}}}, {name: b, url: 'rtsp://g/', recovery: {power: {line: GPIO5}}}]\n", `6:127: streams[1].recovery.power.line: line "GPIO5" is used by streams[0].recovery.power already, in line 6 of this file; each needs its own`},
	{"recovery too often", "streams: [{name: a, url: 'rtsp://h/', recovery: {every: 1m}}]\n", `5:57: streams[0].recovery.every: "1m" is out of range; write 10m to 720h`},
	{"snapshot address", "streams: [{name: a, url: 'rtsp://h/', snapshot_url: 'ftp://h/'}]\n", `5:53: streams[0].snapshot_url: scheme of "ftp://h/" is not http or https; write http://HOST/PATH`},
	{"user name in the snapshot address", "streams: [{name: a, url: 'rtsp://h/', snapshot_url: 'http://u:s3cret@h/'}]\n", `5:53: streams[0].snapshot_url: holds a user name; the stream's username and password are used here too, so take them out of this one`},
	{"mask beyond the picture", "streams: [{name: a, url: 'rtsp://h/', picture: {masks: [{x: 900, y: 0, w: 200, h: 10}]}}]\n", `5:75: streams[0].picture.masks[0].w: x 900 and w 200 go beyond the right edge; together they are at most 1000`},
	{"privacy mask beyond the picture", "streams: [{name: a, url: 'rtsp://h/', privacy_masks: [{x: 0, y: 500, w: 200, h: 501}]}]\n", `5:81: streams[0].privacy_masks[0].h: y 500 and h 501 go beyond the lower edge; together they are at most 1000`},
	{"privacy mask without width", "streams: [{name: a, url: 'rtsp://h/', privacy_masks: [{x: 0, y: 500, h: 500}]}]\n", `5:55: streams[0].privacy_masks[0].w: missing; write w, as w: 400`},

	{"sim without socket", "board: {driver: sim}\n", `5:8: board.socket: missing; driver sim needs the path of its control socket, as socket: board.sock`},
	{"socket's path too long", "board: {driver: sim, socket: /" + strings.Repeat("s", 107) + "}\n", `5:30: board.socket: the path has 108 bytes; a socket's has at most 107`},
	{"buttons without board", "kiosk:\n  number: 7\n  buttons: [" + button("a", "GPIO1") + "]\n", `7:12: kiosk.buttons: buttons need a board; write board: {driver: gpio}`},
	{"lamp without board", "kiosk: {lamps: {saved: {line: GPIO1}}}\n", `5:24: kiosk.lamps.saved: a lamp needs a board; write board: {driver: gpio}`},
	{"buttons without number", gpio("") + "  buttons: [" + button("a", "GPIO1") + "]\n", `7:3: kiosk.number: missing; write the kiosk's own number, as number: 7: tickets are made of it`},
	{"two buttons on a line", gpio("number: 7") + "  buttons:\n  - " + button("a", "GPIO1") + "\n  - " + button("b", "GPIO1") + "\n",
		`10:21: kiosk.buttons[1].line: line "GPIO1" is used by kiosk.buttons[0] already, in line 9 of this file; each needs its own`},
	{"two buttons of one name", gpio("number: 7") + "  buttons:\n  - " + button("a", "GPIO1") + "\n  - " + button("a", "GPIO2") + "\n",
		`10:12: kiosk.buttons[1].name: the same as kiosk.buttons[0].name in line 9; each needs its own`},
	{"a lamp on a button's line", gpio("number: 7") + "  buttons: [" + button("a", "GPIO1") + "]\n  lamps: {saved: {chip: gpiochip0, line: GPIO1}}\n",
		`9:42: kiosk.lamps.saved.line: line "GPIO1" is used by kiosk.buttons[0] already, in line 8 of this file; each needs its own`},
	{"a line's number without chip", gpio("number: 7") + "  lamps: {saved: {line: 17}}\n",
		`8:25: kiosk.lamps.saved.line: 17 is a line's number, which needs its chip; write chip: gpiochip0 too, or the line's name, as GPIO17`},
	{"a button named as a lamp", gpio("number: 7") + "  buttons: [" + button("fault", "GPIO1") + "]\n", `8:20: kiosk.buttons[0].name: "fault" is what records call that lamp; write another name`},
	{"watchdog's device", "watchdog: {device: watchdog0}\n", `5:20: watchdog.device: is no device; write /dev/watchdog0`},
	{"watchdog's timeout", "watchdog: {device: /dev/watchdog0, timeout: 1s}\n", `5:45: watchdog.timeout: "1s" is out of range; write 10s to 10m`},
	{"LED that is pressed", gpio("number: 7") + "  buttons: [" + button("a", "led:ACT") + "]\n", `8:29: kiosk.buttons[0].line: "led:ACT" is an LED, which nobody can press; write a line`},
	{"LED on a chip", gpio("number: 7") + "  lamps: {saved: {chip: gpiochip0, line: led:ACT}}\n", `8:25: kiosk.lamps.saved.chip: means nothing for an LED; remove it`},
	{"sensor without driver", "sensors: [{name: a}]\n", `5:11: sensors[0].driver: missing; write driver, as driver: ds18b20`},
	{"driver", "sensors: [{name: a, driver: dht11}]\n", `5:29: sensors[0].driver: "dht11" is not one of ds18b20, sht3x, aht20, bme280, hwmon, iio, thermal`},
	{"two sensors of one name", "sensors:\n- {name: a, driver: iio}\n- {name: a, driver: thermal}\n", `7:10: sensors[1].name: the same as sensors[0].name in line 6; each needs its own`},
	{"a DS18B20's address", "sensors: [{name: a, driver: ds18b20, address: 28-0316}]\n", `5:47: sensors[0].address: "28-0316" is no address of a ds18b20; write 28- and 12 hex digits, as ls /sys/bus/w1/devices shows it, or leave it out where there is only one`},
	{"an address on I2C", "sensors: [{name: a, driver: sht3x, address: '0x44'}]\n", `5:45: sensors[0].address: "0x44" is no address of a sht3x; write i2c-1:0x44, or leave it out where there is only one`},
	{"channel of what has none", "sensors: [{name: a, driver: iio, channel: temp1}]\n", `5:43: sensors[0].channel: only driver hwmon has channels; remove it`},
	{"humidity of a thermometer", "sensors: [{name: a, driver: ds18b20, humid: 80}]\n", `5:45: sensors[0].humid: driver ds18b20 measures no humidity; remove it`},
	{"voltage of a thermometer", "sensors: [{name: a, driver: bme280, low_voltage: 11}]\n", `5:50: sensors[0].low_voltage: driver bme280 measures no voltage; remove it`},
	{"limit out of range", "sensors: [{name: a, driver: iio, too_hot: 300}]\n", `5:43: sensors[0].too_hot: "300" is out of range; write -60 to 150`},
	{"limits too near", "sensors: [{name: a, driver: iio, too_hot: 30, too_cold: 29}]\n", `5:57: sensors[0].too_cold: too_cold 29 and too_hot 30 are not more than hysteresis 2 apart; it would always be one of them`},
	{"lines without board", "lines: [{name: d, kind: door, line: GPIO5}]\n", `5:8: lines: lines need a board; write board: {driver: gpio}`},
	{"kind of a line", "board: {driver: gpio}\nlines: [{name: d, kind: window, line: GPIO5}]\n", `6:25: lines[0].kind: "window" is not one of mains, ups, door, water, motion, tamper, other`},
	{"a line's number without its chip", "board: {driver: gpio}\nlines: [{name: d, kind: door, line: 5}]\n", `6:37: lines[0].line: 5 is a line's number, which needs its chip; write chip: gpiochip0 too, or the line's name, as GPIO5`},
	{"two lines on one", "board: {driver: gpio}\nlines:\n- {name: d, kind: door, line: A}\n- {name: e, kind: water, line: A}\n", `8:32: lines[1].line: line "A" is used by lines[0] already, in line 7 of this file; each needs its own`},
	{"a line that is a button's", gpio("number: 7") + "  buttons: [" + button("a", "GPIO1") + "]\nlines: [{name: d, kind: door, line: GPIO1}]\n", `9:37: lines[0].line: line "GPIO1" is used by kiosk.buttons[0] already, in line 8 of this file; each needs its own`},
	{"a line named as a button", gpio("number: 7") + "  buttons: [" + button("a", "GPIO1") + "]\nlines: [{name: a, kind: door, line: GPIO2}]\n", `9:16: lines[0].name: "a" is the name of a button of the kiosk; write another, or records can't tell them apart`},
	{"a line named as a lamp", "board: {driver: gpio}\nlines: [{name: saved, kind: door, line: GPIO2}]\n", `6:16: lines[0].name: "saved" is the name of a lamp of the kiosk; write another, or records can't tell them apart`},
	{"service code", gpio("number: 7") + "  buttons: [{name: a, line: L, service_code: a b, category: c, label: {id: a, en: a}}]\n",
		`8:46: kiosk.buttons[0].service_code: "a b" can't be a service code; write 1 to 64 letters, digits, and . _ : - without spaces`},
	{"boolean with no", gpio("number: 7") + "  lamps: {saved: {line: L, active_low: no}}\n", `8:40: kiosk.lamps.saved.active_low: "no" is not a boolean; write false`},
	{"no label", gpio("number: 7") + "  buttons: [{name: a, line: L, service_code: a, category: c}]\n", `8:13: kiosk.buttons[0].label: missing; write a section with id, en`},
}

func stream(url string) string { return "streams: [{name: abc, url: \"" + url + "\"}]\n" }

func button(name, line string) string {
	return "{name: " + name + ", line: " + line + ", service_code: a, category: b, label: {id: a, en: a}}"
}

// col is the column of part in the second line.
func col(text, part string) string {
	return strconv.Itoa(strings.Index(strings.Split(text, "\n")[1], part) + 1)
}

// gpio is a board and the begin of kiosk, three lines.
func gpio(first string) string {
	if first == "" {
		first = "cooldown: 3s"
	}
	return "board: {driver: gpio}\nkiosk:\n  " + first + "\n"
}

func TestProblems(t *testing.T) {
	for _, tt := range problemRows {
		t.Run(tt.name, func(t *testing.T) { expect(t, least+tt.text, tt.want) })
	}
}

// expect parses text as x.yaml and wants these problems; no secret of the
// tables may be in them.
func expect(t *testing.T, text, want string) {
	t.Helper()
	_, err := Parse("x.yaml", []byte(text))
	if err == nil {
		t.Fatalf("no problem, want %s\nin:\n%s", want, text)
	}
	want = "x.yaml:" + strings.ReplaceAll(want, "\n", "\nx.yaml:")
	if err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s\nin:\n%s", err, want, text)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the password is in the message: %v", err)
	}
}

// TestProblemsOfTheWhole has the rows that can't be added to a good file.
func TestProblemsOfTheWhole(t *testing.T) {
	broker := func(s string) string {
		return "device: a\nuplink: {centre_key: " + testKey + ", brokers: [{" + s + "}]}\n"
	}
	tests := map[string]struct{ text, want string }{
		"nothing required": {"log: {level: info}\n", "1:1: device: missing; write device, as device: kiosk-7\n1:1: uplink: missing; write a section with brokers"},
		"device":           {strings.Replace(least, "kiosk-7", "Kiosk 7", 1), `1:9: device: "Kiosk 7" can't be a device's id; write 1 to 40 of a-z, 0-9 and hyphen, no hyphen at either end`},
		"misspelled":       {strings.Replace(least, "device", "devcie", 1), `1:1: devcie: unknown key; did you mean device?`},
		"uplink is empty":  {"device: a\nuplink:\n", `2:1: uplink: missing; write a section with brokers`},
		"no brokers": {"device: a\nuplink:\n  acknowledge: broker\n  brokers: []\n",
			`4:3: uplink.brokers: missing; write a list with at least one, each with url`},
		"no centre key": {"device: a\nuplink:\n  brokers: [{url: 'mqtts://h'}]\n",
			"3:3: uplink.centre_key: missing; write what `kentongan-centre key` prints, or acknowledge: broker where no centre of ours is behind the broker"},
		"centre key": {"device: a\nuplink:\n  brokers: [{url: 'mqtts://h'}]\n  centre_key: a+b+c\n",
			"4:15: uplink.centre_key: \"a+b+c\" is not a centre's key (malformed verifier id); write NAME+HASH+KEY as `kentongan-centre key` prints it"},
		"private key": {"device: a\nuplink:\n  brokers: [{url: 'mqtts://h'}]\n  centre_key: PRIVATE+KEY+s3cret\n",
			"4:15: uplink.centre_key: this is a private key, which must never be on a device; write the public one that `kentongan-centre key` prints"},
		"broker scheme":        {broker("url: 'tcp://h'"), `2:` + col(broker("url: 'tcp://h'"), "'tcp") + `: uplink.brokers[0].url: scheme of "tcp://h" is not mqtt or mqtts; write mqtts://HOST:8883`},
		"broker path":          {broker("url: 'mqtt://h/x'"), `2:` + col(broker("url: 'mqtt://h/x'"), "'mqtt") + `: uplink.brokers[0].url: something after the port in "mqtt://h/x"; write mqtts://HOST:8883`},
		"cert without key":     {broker("cert: c, url: 'mqtts://h'"), `2:` + col(broker("cert: c"), "c}") + `: uplink.brokers[0].cert: there is no key; cert and key come together`},
		"key without cert":     {broker("key: c, url: 'mqtts://h'"), `2:` + col(broker("key: c"), "c}") + `: uplink.brokers[0].key: there is no cert; key and cert come together`},
		"ca without TLS":       {broker("ca: c, url: 'mqtt://h'"), `2:` + col(broker("ca: c"), "c}") + `: uplink.brokers[0].ca: means nothing without TLS; write mqtts:// in url or remove it`},
		"server name":          {broker("server_name: 'a/b', url: 'mqtts://h'"), `2:` + col(broker("server_name: 'a/b'"), "'a/b'") + `: uplink.brokers[0].server_name: "a/b" is not a host name or address`},
		"interface":            {broker("interface: eth0/1, url: 'mqtts://h'"), `2:` + col(broker("interface: eth0/1"), "eth0/1") + ": uplink.brokers[0].interface: \"eth0/1\" is not a network interface; `ip link` lists them, as eth0"},
		"same broker":          {"device: a\nuplink:\n  acknowledge: broker\n  brokers:\n  - url: mqtts://Centre\n  - url: mqtts://centre:8883/\n", `6:10: uplink.brokers[1].url: the same as uplink.brokers[0].url in line 5; each needs its own`},
		"scalar":               {"kentongan\n", `1:1: a single value where the whole configuration is expected; write KEY: VALUE lines, first device: NAME`},
		"list":                 {"- a\n", `1:1: a list where the whole configuration is expected; write KEY: VALUE lines, first device: NAME`},
		"password:value":       {"password:s3cret\n", `1:1: a single value where the whole configuration is expected; write KEY: VALUE lines, first device: NAME`},
		"second document":      {least + "---\n" + least, `5:1: a second YAML document begins here (---); a configuration is one`},
		"tab":                  {"device: a\nuplink:\n  \tkeepalive: 5s\n", `3:3: a tab in the indentation; YAML wants spaces`},
		"tab in first line":    {"\tdevice: a\n", `1:1: a tab in the indentation; YAML wants spaces`},
		"indentation":          {"device: a\n  data: b\n", `2:3: not YAML: mapping values are not allowed in this context; look for a wrong indentation or a text with ": " in it that needs quotes`},
		"open quote":           {"device: \"a\n", `2:1: not YAML: found unexpected end of stream; a quote or bracket was never closed`},
		"open bracket":         {"device: [a\nb: c\n", `1:1: not YAML: did not find expected ',' or ']'; look for a bracket, quote or hyphen too few or too many, or a wrong indentation`},
		"at sign":              {"device: @a\n", "1:1: not YAML: found character that cannot start any token; put a text that begins with @ ` or % into quotes"},
		"alias of nothing":     {"a: b\ndevice: *kiosk\n", `2:9: *kiosk stands for a value elsewhere (a YAML alias), which is not allowed; write the value out, or put a text that begins with * into quotes`},
		"Latin-1":              {"device: a\nsite: {name: Caf\xe9}\n", `2:17: byte 0xE9 is not UTF-8; save the file as UTF-8`},
		"carriage return":      {"device: a\r0", `1:10: U+000D ends a line for YAML and for no editor; end lines with a line feed`},
		"line separator":       {"device: a\u2028b: c", `1:10: U+2028 ends a line for YAML and for no editor; end lines with a line feed`},
		"column in characters": {"site: {name: é, lon: x, lat: 0}\ndevice: a\nuplink: {acknowledge: broker, brokers: [{url: 'mqtts://h'}]}\n", `1:22: site.lon: "x" is not a number; write -180 to 180`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { expect(t, tt.text, tt.want) })
	}
}

// TestAllProblemsAtOnce reads files with many problems; the golden file holds
// the whole output.
func TestAllProblemsAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/bad-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata/bad-*.yaml: %v", err)
	}
	for _, file := range files {
		_, err := Load(file)
		if err == nil {
			t.Errorf("%s: no problem", file)
			continue
		}
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: a password is in the messages", file)
		}
		golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	text := "\xef\xbb\xbf" + strings.ReplaceAll(least, "\n", "\r\n")
	if _, err := Parse("x.yaml", []byte(text)); err != nil {
		t.Error(err)
	}
	expect(t, text+"devise: x\r\n", `5:1: devise: unknown key; did you mean device?`)
}

// FuzzParse: whatever the bytes, no panic, and every problem has a place in
// the text or is about the file. What is good stays good when it is printed.
func FuzzParse(f *testing.F) {
	for _, row := range problemRows {
		f.Add([]byte(least + row.text))
	}
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("---\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("x.yaml", data)
		if err == nil {
			c.Warnings()
			if _, err := Parse("x.yaml", []byte(strings.ReplaceAll(c.String(), hidden, "x"))); err != nil {
				t.Errorf("printed form is not good: %v\n%s", err, c)
			}
			return
		}
		all, ok := errors.AsType[Problems](err)
		if !ok || len(all) == 0 {
			t.Fatalf("error is no list of problems: %v", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range all {
			if p.Line < 0 || p.Line > lines || p.Line > 0 && p.Column < 1 || p.Line == 0 && p.Path != "" || p.Text == "" {
				t.Errorf("no place in %d lines: %+v", lines, p)
			}
		}
	})
}
