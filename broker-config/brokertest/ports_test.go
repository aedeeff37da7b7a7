package brokertest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// TestMain gives ports to another process when it is the child of TestPorts.
func TestMain(m *testing.M) {
	if os.Getenv("KENTONGAN_TEST_PORTS") == "" {
		os.Exit(m.Run())
	}
	for range 100 {
		p, err := Ports(1)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(p)
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // it holds them until the test has looked
}

// No port is given twice, neither in a process nor to two that live at once,
// although nobody listens on any.
func TestPorts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	given := map[int]string{}
	note := func(p int, who string) {
		mu.Lock()
		defer mu.Unlock()
		if other := given[p]; other != "" {
			t.Errorf("port %d is given to %s and to %s", p, other, who)
		}
		given[p] = who
	}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for range 20 {
				p, err := Ports(n + 1)
				if err != nil {
					t.Error(err)
				}
				for i := range n + 1 {
					note(p+i, fmt.Sprint("goroutine ", n))
				}
			}
		})
	}
	for n := range 3 {
		all.Go(func() {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "KENTONGAN_TEST_PORTS=1")
			in, err := child.StdinPipe()
			if err != nil {
				t.Error(err)
				return
			}
			out, err := child.StdoutPipe()
			if err != nil {
				t.Error(err)
				return
			}
			if err := child.Start(); err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() {
				_ = in.Close()
				if err := child.Wait(); err != nil {
					t.Error(err)
				}
			})
			lines := bufio.NewReader(out)
			for range 100 {
				var p int
				if _, err := fmt.Fscan(lines, &p); err != nil {
					t.Errorf("child %d: %v", n, err)
					return
				}
				note(p, fmt.Sprint("process ", n))
			}
		})
	}
	all.Wait()
}

func TestPortsInARow(t *testing.T) {
	for _, n := range []int{0, -1, portsBlock + 1} {
		if _, err := Ports(n); err == nil || !strings.Contains(err.Error(), "1 to 64") {
			t.Errorf("%d ports: %v", n, err)
		}
	}
	if p, err := Ports(portsBlock); err != nil || p%portsBlock != portsFrom%portsBlock {
		t.Errorf("%d, %v: want a whole block", p, err)
	}
}
