#!/bin/sh
# Draws street.h264, the clip that the demo's H.264 camera loops: a street at
# the fence of an office with three vehicles, a lamp and a running clock.
# 12 s, 640x360, 12 pictures a second, a keyframe every 2 s, no B-frames, so
# that an access unit is a frame and the loop closes without a jump. It is
# committed, so nobody needs ffmpeg to build the demo; run it to change it.
# Needs ffmpeg with libx264; DejaVu's fonts for the clock and the name.
set -eu
cd "$(dirname "$0")"
font=$(fc-match -f '%{file}' 'DejaVu Sans Mono')
# Cars leave on one side when they enter on the other: their positions repeat
# after 4, 6 and 12 s, all of which divide 12.
ffmpeg -hide_banner -loglevel error -y \
	-f lavfi -i "gradients=s=640x150:c0=0x86b6dc:c1=0xdbe8ef:x0=0:y0=0:x1=0:y1=150:speed=0.00001:d=12:r=12" \
	-f lavfi -i "color=0x57606a:s=640x360:d=12:r=12" \
	-f lavfi -i "color=0xb03a2e:s=92x34:d=12:r=12" \
	-f lavfi -i "color=0xf2c230:s=150x52:d=12:r=12" \
	-f lavfi -i "color=0x1f4e79:s=44x24:d=12:r=12" \
	-filter_complex "
		[1][0]overlay=0:0,
		drawbox=0:90:90:70:0x8c7b6b:fill, drawbox=100:60:120:100:0xa69886:fill,
		drawbox=230:100:150:60:0x93a38f:fill, drawbox=390:40:110:120:0xb5a99a:fill, drawbox=510:84:130:76:0x8f8377:fill,
		drawbox=118:76:20:22:0xe9dfa8:fill, drawbox=152:76:20:22:0x4c5a66:fill, drawbox=186:76:20:22:0xe9dfa8:fill,
		drawbox=408:60:22:26:0x4c5a66:fill, drawbox=446:60:22:26:0xe9dfa8:fill, drawbox=408:104:22:26:0xe9dfa8:fill, drawbox=446:104:22:26:0x4c5a66:fill,
		drawbox=0:160:640:36:0x9aa39a:fill, drawbox=0:196:640:4:0xd9d9d0:fill, drawbox=0:330:640:30:0x6d7a5c:fill,
		drawbox=20:262:60:6:0xe6e6e6:fill, drawbox=140:262:60:6:0xe6e6e6:fill, drawbox=260:262:60:6:0xe6e6e6:fill,
		drawbox=380:262:60:6:0xe6e6e6:fill, drawbox=500:262:60:6:0xe6e6e6:fill [street];
		[2]drawbox=12:4:26:14:0xcfe3f0:fill,drawbox=52:4:26:14:0xcfe3f0:fill [red];
		[3]drawbox=8:8:24:18:0x2d3a45:fill,drawbox=40:8:24:18:0x2d3a45:fill,drawbox=72:8:24:18:0x2d3a45:fill,drawbox=104:8:38:18:0xcfe3f0:fill [bus];
		[4]drawbox=8:3:14:9:0xcfe3f0:fill [bike];
		[street][red]overlay=x='mod(t,6)*130-100':y=214:eval=frame [a];
		[a][bike]overlay=x='650-mod(t,4)*180':y=284:eval=frame [b];
		[b][bus]overlay=x='660-mod(t+5,12)*72':y=276:eval=frame,
		drawbox=596:100:6:110:0x30363c:fill, drawbox=584:92:30:10:0x30363c:fill,
		noise=alls=4:allf=t,
		drawtext=fontfile=$font:text='GERBANG 1  KENTONGAN DEMO':x=10:y=10:fontsize=18:fontcolor=white:box=1:boxcolor=black@0.5:boxborderw=4,
		drawtext=fontfile=$font:text='%{pts\\:hms}':x=w-tw-12:y=10:fontsize=18:fontcolor=white:box=1:boxcolor=black@0.5:boxborderw=4" \
	-frames:v 144 -pix_fmt yuv420p -c:v libx264 -profile:v main -level 3.0 -preset veryslow -bf 0 \
	-g 24 -keyint_min 24 -sc_threshold 0 -crf 29 -maxrate 240k -bufsize 480k \
	-x264-params "aud=1:slices=1:threads=1" -fflags +bitexact -flags +bitexact -f h264 street.h264
ls -l street.h264
