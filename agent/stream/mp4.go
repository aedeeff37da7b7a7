package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// keyframeMP4 puts one keyframe into an MP4 of one second (ISO/IEC 14496-12 and
// -15). The writers of mediacommon are not used: they would bring a module of
// their own, for the few boxes that one picture needs.
func keyframeMP4(c Codec, k keyframe) ([]byte, error) {
	if k.size.Width <= 0 || k.size.Width > maxDimension || k.size.Height <= 0 || k.size.Height > maxDimension {
		return nil, errors.New("the camera's parameter set does not say how large its picture is")
	}
	var sets parameterSets
	var sample []byte
	for _, nal := range bytes.Split(k.unit, []byte{0, 0, 0, 1}) {
		switch {
		case len(nal) <= h265HeaderSize:
		case isSet(c, nal):
			sets.look(c, nal)
		default:
			sample = append(binary.BigEndian.AppendUint32(sample, uint32(len(nal))), nal...) // #nosec: at most maxKeyframe
		}
	}
	entry, err := sampleEntry(c, &sets, k.size)
	if err != nil {
		return nil, err
	}
	if len(sample) == 0 {
		return nil, errors.New("the keyframe is empty")
	}
	head := box("ftyp", []byte("isom\x00\x00\x02\x00isomiso2mp41"))
	// The sample lies behind all else, so its place is known once that is made.
	movie := moov(entry, k.size, len(sample), 0)
	movie = moov(entry, k.size, len(sample), len(head)+len(movie)+8)
	return bytes.Join([][]byte{head, movie, box("mdat", sample)}, nil), nil
}

func isSet(c Codec, nal []byte) bool {
	if c == H264 {
		typ := nal[0] & 0x1f
		return typ == h264SPS || typ == h264PPS
	}
	typ := nal[0] >> 1 & 0x3f
	return typ >= h265VPS && typ <= h265PPS
}

// box is a box: length, name, content.
func box(name string, parts ...[]byte) []byte {
	n := 8
	for _, p := range parts {
		n += len(p)
	}
	out := append(binary.BigEndian.AppendUint32(make([]byte, 0, n), uint32(n)), name...) // #nosec: at most maxKeyframe
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// u32 is some numbers of 32 bits.
func u32(all ...int) []byte {
	var out []byte
	for _, v := range all {
		out = binary.BigEndian.AppendUint32(out, uint32(v)) // #nosec: they are ours
	}
	return out
}

func u16(all ...int) []byte {
	var out []byte
	for _, v := range all {
		out = binary.BigEndian.AppendUint16(out, uint16(v)) // #nosec: they are ours
	}
	return out
}

// matrix is that of no rotation (14496-12, 6.2.2).
var matrix = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

const (
	mp4Scale    = 1000
	mp4Duration = 1000
)

// moov describes one sample that lies at offset at of the file.
func moov(entry []byte, size Size, bytes, at int) []byte {
	table := box("stbl",
		box("stsd", u32(0, 1), entry),
		box("stts", u32(0, 1, 1, mp4Duration)),
		box("stsc", u32(0, 1, 1, 1, 1)),
		box("stsz", u32(0, 0, 1, bytes)),
		box("stco", u32(0, 1, at)))
	media := box("mdia",
		box("mdhd", u32(0, 0, 0, mp4Scale, mp4Duration), u16(0x55c4, 0)), // und
		box("hdlr", u32(0, 0), []byte("vide"), u32(0, 0, 0), []byte("\x00")),
		box("minf",
			box("vmhd", u32(1), u16(0, 0, 0, 0)),
			box("dinf", box("dref", u32(0, 1), box("url ", u32(1)))),
			table))
	track := box("trak",
		box("tkhd", u32(7, 0, 0, 1, 0, mp4Duration, 0, 0), u16(0, 0, 0, 0), matrix, u32(size.Width<<16, size.Height<<16)),
		media)
	return box("moov",
		box("mvhd", u32(0, 0, 0, mp4Scale, mp4Duration, 0x10000), u16(0x100, 0), u32(0, 0), matrix, u32(0, 0, 0, 0, 0, 0, 2)),
		track)
}

// sampleEntry says how the sample is coded (14496-15).
func sampleEntry(c Codec, sets *parameterSets, size Size) ([]byte, error) {
	if !sets.complete(c) {
		return nil, errors.New("the keyframe has no parameter sets")
	}
	visual := bytes.Join([][]byte{
		u32(0), u16(0, 1), u32(0, 0, 0, 0), u16(size.Width, size.Height), u32(0x480000, 0x480000, 0), u16(1),
		make([]byte, 32), u16(24, 0xffff),
	}, nil)
	switch c {
	case H264:
		conf, err := avcC(sets)
		return box("avc1", visual, box("avcC", conf)), err
	case H265:
		conf, err := hvcC(sets)
		return box("hvc1", visual, box("hvcC", conf)), err
	}
	return nil, fmt.Errorf("a picture in %s needs no MP4", c)
}

func avcC(sets *parameterSets) ([]byte, error) {
	sps := sets.units[1]
	if len(sps) < 4 {
		return nil, errors.New("the parameter set is too short")
	}
	out := append([]byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}, u16(len(sps))...)
	out = append(out, sps...)
	pps := nonEmpty(sets.units[2:])
	out = append(out, byte(len(pps)))
	for _, p := range pps {
		out = append(append(out, u16(len(p))...), p...)
	}
	var s h264.SPS
	if err := s.Unmarshal(sps); err != nil {
		return nil, fmt.Errorf("the parameter set: %w", err)
	}
	switch s.ProfileIdc {
	case 100, 110, 122, 144: // 14496-15, 5.3.3.1.2
		out = append(out, 0xfc|byte(s.ChromaFormatIdc&3), 0xf8|byte(s.BitDepthLumaMinus8&7), 0xf8|byte(s.BitDepthChromaMinus8&7), 0)
	}
	return out, nil
}

func hvcC(sets *parameterSets) ([]byte, error) {
	sps := sets.units[1]
	var s h265.SPS
	if err := s.Unmarshal(sps); err != nil {
		return nil, fmt.Errorf("the parameter set: %w", err)
	}
	// general_profile_space to general_level_idc lie as they are in the SPS,
	// behind its header and one byte, once emulation prevention is taken out.
	plain := h264.EmulationPreventionRemove(sps)
	if len(plain) < 15 {
		return nil, errors.New("the parameter set is too short")
	}
	out := append([]byte{1}, plain[3:15]...)
	out = append(out, 0xf0, 0, 0xfc, 0xfc|byte(s.ChromaFormatIdc&3), 0xf8|byte(s.BitDepthLumaMinus8&7), 0xf8|byte(s.BitDepthChromaMinus8&7), 0, 0,
		(s.MaxSubLayersMinus1+1)<<3|3, 3) // lengths of 4 bytes; three arrays
	for i, units := range [][][]byte{nonEmpty(sets.units[:1]), nonEmpty(sets.units[1:2]), nonEmpty(sets.units[2:])} {
		out = append(out, 0x80|byte(h265VPS+i))
		out = append(out, u16(len(units))...)
		for _, u := range units {
			out = append(append(out, u16(len(u))...), u...)
		}
	}
	return out, nil
}

func nonEmpty(units [][]byte) (out [][]byte) {
	for _, u := range units {
		if len(u) > 0 {
			out = append(out, u)
		}
	}
	return out
}
