// Package longrun is a test: a whole device and the real centre live through
// weeks within seconds, under the fake clock of testing/synctest, while faults
// that a seed draws come and go.
//
// What is real: the agent with all its parts, its spool, the RTSP and MQTT
// libraries, the RTSP server, the centre's ingest, its orders, its SQLite
// database and its audit. What can't be under a fake clock is played: the disk of
// the spool (agent/spool/memdisk, which also cuts the power), the board (hal/sim),
// the network (connections in memory) and the broker, which is a fake of some
// hundred lines, since Mosquitto reads a clock of its own.
package longrun
