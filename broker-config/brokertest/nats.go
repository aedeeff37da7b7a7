package brokertest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Nodes is how many nodes a cluster has.
const Nodes = 3

// Cluster is three running NATS nodes, started by nats/start.
type Cluster struct {
	Addrs  []string // of each node's MQTT side
	Dir    string   // users.conf, n1, n2, n3
	port   int
	server string
	nodes  [Nodes]*process
	shown  [Nodes]bool // whose log the test shows when it fails
}

// StartCluster builds nats-server of the version in go.mod and starts three nodes
// that ask for certificates of ca. users is who may do what.
func StartCluster(t testing.TB, ca *CA, users []byte) *Cluster {
	t.Helper()
	c := &Cluster{Dir: t.TempDir(), port: FreePorts(t, 12), server: Build(t, "github.com/nats-io/nats-server/v2")}
	ca.install(t, filepath.Join(c.Dir, "tls"))
	NewCA(t).install(t, filepath.Join(c.Dir, "routes")) // nodes know each other by an authority of their own
	c.Users(t, users)
	for n := range Nodes {
		c.Addrs = append(c.Addrs, net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port+n)))
		c.StartNode(t, n)
	}
	c.WaitReady(t)
	return c
}

// Users replaces who may do what; Reload makes the nodes read it.
func (c *Cluster) Users(t testing.TB, users []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(c.Dir, "users.conf"), users, 0o600))
}

// StartNode starts node n (0, 1, 2), again after Kill, with what it has kept.
func (c *Cluster) StartNode(t testing.TB, n int) {
	t.Helper()
	p := start(t, logOf(t, c.Dir, "start.log"), []string{"NATS_SERVER=" + c.server},
		filepath.Join(scripts(), "nats", "start"), c.Dir, strconv.Itoa(c.port), fmt.Sprintf("n%d", n+1))
	c.nodes[n] = p
	t.Cleanup(p.kill)
	if !c.shown[n] { // a node's log is one, however often it is started
		c.shown[n] = true
		dir := filepath.Join(c.Dir, fmt.Sprintf("n%d", n+1))
		must(t, os.MkdirAll(dir, 0o700))
		logOf(t, dir, "log")
	}
}

// Kill is SIGKILL for one node.
func (c *Cluster) Kill(n int) { c.nodes[n].kill() }

// Reload makes all nodes read their users again.
func (c *Cluster) Reload() {
	for _, p := range c.nodes {
		p.signal(syscall.SIGHUP)
	}
}

// Leader is the node that leads the stream of MQTT messages, or -1 when there is
// none at the moment, as node n sees it.
func (c *Cluster) Leader() int {
	for n := range Nodes {
		var jsz struct {
			Accounts []struct {
				Streams []struct {
					Name    string `json:"name"`
					Cluster struct {
						Leader string `json:"leader"`
					} `json:"cluster"`
				} `json:"stream_detail"`
			} `json:"account_details"`
		}
		if c.ask(n, "/jsz?streams=true&accounts=true", &jsz) != nil {
			continue
		}
		for _, a := range jsz.Accounts {
			for _, s := range a.Streams {
				if len(s.Cluster.Leader) == 2 && s.Name == "$MQTT_msgs" {
					return int(s.Cluster.Leader[1] - '1')
				}
			}
		}
	}
	return -1
}

// ask reads one of a node's monitoring pages.
func (c *Cluster) ask(n int, page string, to any) error {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", c.port+9+n, page))
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	if to == nil {
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", page, res.Status)
		}
		return nil
	}
	return json.NewDecoder(res.Body).Decode(to)
}

// WaitReady waits until all nodes that run say that they are well.
func (c *Cluster) WaitReady(t testing.TB) {
	t.Helper()
	for n, p := range c.nodes {
		listens(t, p, c.Addrs[n])
		for end := time.Now().Add(patience); c.ask(n, "/healthz", nil) != nil; {
			if time.Now().After(end) {
				t.Fatalf("node n%d is not well after %v: %v", n+1, patience, c.ask(n, "/healthz", nil))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
