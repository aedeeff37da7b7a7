#!/usr/bin/python3
"""An RTSP server by GStreamer, for the tests: one live H.264 stream at /live.

Usage: gst_server.py ADDRESS PORT. It prints "ready" when it listens, and ends
with its standard input.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address(sys.argv[1])
server.set_service(sys.argv[2])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=snow ! video/x-raw,width=640,height=360,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max=50"
    " ! video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
loop = GLib.MainLoop()
if server.attach(None) == 0:
    sys.exit("the port is taken")
GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
print("ready", flush=True)
loop.run()
