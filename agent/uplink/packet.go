package uplink

import "encoding/binary"

// firstID is the lowest packet id of a publish. Those below are left to paho,
// which needs one for its SUBSCRIBE and counts from 1.
const firstID = 256

// nextID is the id after id.
func nextID(id uint16) uint16 {
	if id++; id < firstID {
		return firstID
	}
	return id
}

// appendPublish appends a PUBLISH packet with QoS 1 (MQTT 3.1.1, 3.3):
//
//	0011 0 01 r | remaining length | topic length | topic | id | payload
//
// The topic is shorter than 64 KiB and the payload than 256 MiB.
func appendPublish(out []byte, topic string, id uint16, retained bool, payload []byte) []byte {
	first := byte(0x32)
	if retained {
		first |= 1
	}
	out = append(out, first)
	out = binary.AppendUvarint(out, uint64(2+len(topic)+2+len(payload))) // the same encoding as MQTT's
	out = binary.BigEndian.AppendUint16(out, uint16(len(topic)))
	out = append(out, topic...)
	out = binary.BigEndian.AppendUint16(out, id)
	return append(out, payload...)
}
