// Package pgtest runs a real PostgreSQL server for tests: Debian's, in a
// directory of its own under the system's temporary one, on a Unix socket and a
// free loopback port.
//
// One server serves a test program; Main starts and ends it. Each test gets a
// schema of its own. PostgreSQL refuses to run as root, so root's tests run it as
// Debian's user postgres, or as nobody.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kentongan/broker-config/brokertest"
)

// Server is a server and its data. Its methods are for one goroutine.
type Server struct {
	bin, dir string
	port     int
	cred     *syscall.Credential // nil: our own user
	cmd      *exec.Cmd           // nil while it is down
	done     chan struct{}       // closed when cmd has ended
}

var (
	once   sync.Once
	shared *Server
	failed error
	schema atomic.Int64
)

// Main runs the tests and ends the server that they used.
func Main(m *testing.M) int {
	code := m.Run()
	if shared != nil {
		shared.remove()
	}
	return code
}

// URL is a new, empty schema on the test program's server. It goes with the server.
func URL(t testing.TB) string {
	t.Helper()
	once.Do(func() { shared, failed = start() })
	if failed != nil {
		t.Fatalf("start PostgreSQL: %v; install it: apt-get install postgresql", failed)
	}
	return shared.URL(t)
}

// New starts a server for one test alone, which may stop it.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v; install it: apt-get install postgresql", err)
	}
	t.Cleanup(s.remove)
	return s
}

// URL is a new, empty schema.
func (s *Server) URL(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	name := fmt.Sprintf("test_%d", schema.Add(1))
	c, err := pgx.Connect(ctx, s.url("public"))
	if err == nil {
		_, err = c.Exec(ctx, "CREATE SCHEMA "+name)
		err = errors.Join(err, c.Close(ctx))
	}
	if err != nil {
		t.Fatalf("make schema: %v", err)
	}
	return s.url(name)
}

func (s *Server) url(schema string) string {
	u := url.URL{Scheme: "postgres", User: url.User("kentongan"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/postgres"}
	u.RawQuery = url.Values{"search_path": {schema}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// binaries is where Debian has the newest server.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return "", errors.New("no /usr/lib/postgresql/*/bin/postgres")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// start makes a cluster and starts its server.
func start() (_ *Server, err error) {
	s := &Server{}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.cred, err = credential(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "kentongan-pg"); err != nil {
		return nil, err
	}
	if s.cred != nil {
		if err := os.Chown(s.dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return nil, err
		}
	}
	initdb := s.command("initdb", "-D", s.data(), "-U", "kentongan", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.guard(); err != nil {
		return nil, err
	}
	if s.port, err = brokertest.Ports(1); err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// Guarded is the one user whom the server asks for a password; a test that wants
// it makes it. Whoever else comes from this machine is let in.
const Guarded = "guarded"

func (s *Server) guard() error {
	file := filepath.Join(s.data(), "pg_hba.conf")
	rules, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte("host all "+Guarded+" 127.0.0.1/32 scram-sha-256\n"), rules...), 0o600)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

// credential is whom the server runs as.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// Start starts the server again, and waits until it answers. A server that was
// killed may have left its shared memory with processes that are just ending; the
// next one then refuses to start.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		err := s.start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("start PostgreSQL again: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) start() error {
	// It syncs as anybody's does: that is what the store relies on.
	s.cmd = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprint("port=", s.port),
		"-c", "log_min_messages=fatal", "-c", "max_connections=100")
	s.done = make(chan struct{})
	// A server must not outlive a test program that is killed. The signal comes
	// when the thread ends that started it, so that one stays.
	s.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	go func(cmd *exec.Cmd, done chan struct{}) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is ended by a signal
		}
		close(done)
	}(s.cmd, s.done)
	if err := <-started; err != nil {
		s.cmd = nil
		return err
	}
	// It also replays its log here, after a kill.
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := pgx.Connect(context.Background(), s.url("public"))
		if err == nil {
			return c.Close(context.Background())
		}
		select {
		case <-s.done:
			s.cmd = nil
			return errors.New("it ended at once")
		default:
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// Kill ends the server and all its processes at once, as a crash does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	// Stopped, it makes no new ones while we look.
	err := s.cmd.Process.Signal(syscall.SIGSTOP)
	if err == nil {
		for _, pid := range s.children() {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		err = s.signal(syscall.SIGKILL)
	}
	if err != nil {
		t.Fatalf("kill PostgreSQL: %v", err)
	}
}

// children are the server's processes: each leads a group of its own, so that a
// signal to the server's doesn't reach them.
func (s *Server) children() (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// "PID (NAME) STATE PPID …", and NAME may hold anything.
		var state string
		var ppid int
		if _, err := fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &ppid); err == nil && ppid == s.cmd.Process.Pid {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *Server) signal(sig syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	<-s.done
	s.cmd = nil
	return nil
}

// remove ends the server and takes its directory away.
func (s *Server) remove() {
	_ = s.signal(syscall.SIGQUIT) // the quick way: the data goes too
	_ = os.RemoveAll(s.dir)
}
