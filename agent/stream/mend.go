package stream

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// mendResponse repairs what real cameras get wrong and gortsplib v4.16.2 calls
// fatal. Each repair is noted once per message, for the technician.
//
//   - an empty reason phrase ("RTSP/1.0 200"), which only decoration needs
//   - OPTIONS refused: DESCRIBE will tell whether the camera works
//   - faults of the session description: see mendDescription
func mendResponse(head []string, body []byte, options bool, note func(string)) ([]string, []byte) {
	version, rest, _ := strings.Cut(head[0], " ")
	code, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if strings.TrimSpace(reason) == "" {
		note("answers without a reason phrase")
		reason = "-"
	}
	if options && (code == "400" || code == "405" || code == "501") {
		note("refuses OPTIONS")
		code = "200"
	}
	head[0] = version + " " + code + " " + reason
	if len(body) == 0 || code != "200" {
		return head, body
	}
	mended, changed := mendDescription(string(body))
	if !changed {
		return head, body
	}
	note("faulty session description")
	for i, line := range head {
		if key, _, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(key), "Content-Length") {
			head[i] = "Content-Length: " + strconv.Itoa(len(mended))
		}
	}
	return head, []byte(mended)
}

// mendDescription repairs a session description (RFC 4566). It touches only
// what the library can't read: an origin or connection without an address
// (some Uniview), media of kinds that the standard does not know, and
// parameter sets that are no base64.
func mendDescription(sdp string) (string, bool) {
	if !strings.HasPrefix(strings.TrimLeft(sdp, "\r\n "), "v=") {
		return sdp, false
	}
	lines := strings.Split(sdp, "\n")
	changed := false
	for i, raw := range lines {
		line := strings.TrimRight(raw, "\r")
		mended := mendLine(line)
		if mended != line {
			lines[i], changed = mended+"\r", true
		}
	}
	if !changed {
		return sdp, false
	}
	return strings.Join(lines, "\n"), true
}

func mendLine(line string) string {
	switch {
	case strings.HasPrefix(line, "o="):
		if f := strings.Fields(line[2:]); len(f) != 6 || f[3] != "IN" {
			return "o=- 0 0 IN IP4 0.0.0.0"
		}
	case strings.HasPrefix(line, "c="):
		if f := strings.Fields(line[2:]); len(f) != 3 || f[0] != "IN" {
			return "c=IN IP4 0.0.0.0"
		}
	case strings.HasPrefix(line, "m="):
		kind, rest, _ := strings.Cut(line[2:], " ")
		switch kind {
		case "audio", "video", "text", "application", "message":
		default: // not a picture, so its name does not matter
			return "m=application " + rest
		}
	case strings.HasPrefix(line, "a=fmtp:"):
		return mendParameters(line)
	}
	return line
}

// mendParameters drops parameter sets that are no base64; the stream carries
// them too.
func mendParameters(line string) string {
	head, params, ok := strings.Cut(line, " ")
	if !ok {
		return line
	}
	var kept []string
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.HasPrefix(key, "sprop-") && !allBase64(value) {
			continue
		}
		kept = append(kept, p)
	}
	return head + " " + strings.TrimLeft(strings.Join(kept, ";"), " ")
}

func allBase64(value string) bool {
	for s := range strings.SplitSeq(value, ",") {
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return false
		}
	}
	return true
}
