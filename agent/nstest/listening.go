package nstest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Listening names what a process listens on, as the kernel has it: TCP as
// HOST:PORT, other sockets that a stranger can send to with the name of their table.
func Listening(t *testing.T, pid int) (all []string) {
	t.Helper()
	mine := map[string]bool{} // by inode
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("no files of process %d: %v", pid, err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink(fd) // some are closed meanwhile
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			mine[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // a kernel without IPv6
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) < 10 || !mine[f[9]] {
				continue
			}
			// 0A is LISTEN; sockets without a connection are 07.
			if tcp := strings.HasPrefix(table, "tcp"); tcp && f[3] == "0A" {
				all = append(all, kernelAddress(t, f[1]))
			} else if !tcp {
				all = append(all, table+" "+kernelAddress(t, f[1]))
			}
		}
	}
	slices.Sort(all)
	return all
}

// kernelAddress reads 0100007F:1F90, whose address is in words of this machine's order.
func kernelAddress(t *testing.T, text string) string {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(raw)%4 != 0 {
		t.Fatalf("the kernel's address %q: %v %v", text, err, perr)
	}
	for w := range slices.Chunk(raw, 4) {
		slices.Reverse(w)
	}
	return net.JoinHostPort(net.IP(raw).String(), strconv.FormatUint(n, 10))
}
