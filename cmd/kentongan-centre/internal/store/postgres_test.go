package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

func TestSecondCentreIsRefused(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	first := open(t, place)
	if _, err := openPlace(place); !errors.Is(err, ErrOtherCentre) {
		t.Errorf("a second one on the same database: %v", err)
	}
	open(t, pgtest.URL(t)) // another schema is another database
	beside, err := OpenPostgresBeside(place, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beside.Devices(t.Context(), ""); err != nil {
		t.Errorf("a tool beside the centre reads: %v", err)
	}
	if _, err := beside.Commit(t.Context(), []Arrival{batch("k1", report.Event, 1, 1)}); !errors.Is(err, errBeside) {
		t.Errorf("a tool beside the centre commits: %v", err)
	}
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, place)
}

// The password comes from a file, is used, and never stands in an error.
func TestPasswordOfPostgres(t *testing.T) {
	t.Parallel()
	const secret = "k3ntong-rahasia"
	place := pgtest.URL(t)
	sqlExec(t, place, `CREATE ROLE `+pgtest.Guarded+` SUPERUSER LOGIN PASSWORD '`+secret+`'`)
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(pgtest.Guarded)
	log := slog.New(slog.DiscardHandler)
	s, err := OpenPostgres(u.String(), secret, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPostgres(u.String(), "wr0ng-"+secret, log); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestURLOfPostgres(t *testing.T) {
	t.Parallel()
	const secret = "k3ntong-rahasia"
	tests := map[string]struct{ url, want string }{
		"another scheme":      {"mysql://127.0.0.1/a", "write postgres://"},
		"not a URL":           {"postgres://a b:" + secret + "@[/", "database: "},
		"a port that is none": {"postgres://kentongan:" + secret + "@127.0.0.1:99999999/a", "database: "},
		"plain to elsewhere":  {"postgres://kentongan@db.example/a", "add sslmode=verify-full"},
		"nobody there":        {"postgres://kentongan@127.0.0.1:1/a?sslmode=disable", "open database a at 127.0.0.1:1: connect"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := OpenPostgres(tt.url, secret, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v, want %q in it and no password", err, tt.want)
			}
		})
	}
}

// sqlExec does something to the server that the store does not do.
func sqlExec(t testing.TB, place, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), place)
	if err == nil {
		_, err = c.Exec(t.Context(), statement)
		err = errors.Join(err, c.Close(t.Context()))
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// The server is killed again and again while groups are committed. What a Commit
// said is there; what it did not say may be, once; and the store goes on by
// itself.
func TestServerIsKilled(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	s := open(t, server.URL(t))
	const kills = 4
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(over)
		for range kills {
			time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond) // the fault comes at any moment
			server.Kill(t)
			server.Start(t)
		}
	})
	defer wg.Wait()
	var said, failed uint64
	next := func() []Arrival {
		var rs []report.Received
		for n := range uint64(20) {
			rs = append(rs, press(t, "k1", said+n+1))
		}
		return []Arrival{batch("k1", report.Complaint, 1, said+21, rs...)}
	}
	deadline := time.Now().Add(5 * time.Minute)
	for running := true; running; {
		select {
		case <-over:
			running = false // and once more, to see that it works
		default:
		}
		done, err := s.Commit(context.Background(), next())
		if err != nil {
			failed++
			running = true
			if time.Now().After(deadline) {
				t.Fatalf("it does not come back: %v", err)
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if done.Records+done.Duplicates != 20 || len(done.Receipts) != 1 || done.Receipts[0].Seq != said+20 {
			t.Fatalf("committed %+v, want 20 records and a receipt for %d", done, said+20)
		}
		said += 20
	}
	if failed == 0 {
		t.Error("no commit failed: nothing was tested")
	}
	t.Logf("%d records, %d commits failed", said, failed)
	if l := account(t, s, "k1", report.Complaint); l.Received != said || l.Thru != said || l.Conflicts != 0 {
		t.Errorf("account %+v, want %d received", l, said)
	}
	var n uint64
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM record`).Scan(&n); err != nil || n != said {
		t.Errorf("%d records (%v), want %d", n, err, said)
	}

	// It is the one server that this test may spoil.
	place := server.URL(t)
	sqlExec(t, place, `ALTER SYSTEM SET fsync = off`)
	sqlExec(t, place, `SELECT pg_reload_conf()`)
	deadline = time.Now().Add(2 * time.Minute)
	for {
		other, err := openPlace(place)
		if err != nil && strings.Contains(err.Error(), "fsync = off") {
			return
		}
		if err == nil {
			err = other.Close()
		}
		if time.Now().After(deadline) {
			t.Fatalf("a server without fsync is taken (%v)", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A centre says all receipts when it comes back to its broker, and may have lost the
// database in between: Receipts makes the connection anew, as Commit does.
func TestReceiptsAfterALostConnection(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	s := open(t, place)
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), press(t, "k1", 2)))
	cut := func() { sqlExec(t, place, fmt.Sprintf(`SELECT pg_terminate_backend(%d, 60000)`, committerPID(s))) }
	cut()
	if _, err := s.Commit(t.Context(), []Arrival{batch("k1", report.Complaint, 1, 4, press(t, "k1", 3))}); err == nil {
		t.Fatal("the connection was not cut: nothing is tested")
	}
	for _, tt := range []struct {
		when string
		seq  uint64
	}{{"Commit has seen that it is gone", 2}, {"nobody has", 1}} {
		all, err := s.Receipts(t.Context())
		// Where nobody has, the first sees it; and a starved server frees the lock late.
		for deadline := time.Now().Add(90 * time.Second); err != nil && time.Now().Before(deadline); {
			all, err = s.Receipts(t.Context())
		}
		if err != nil || len(all) != 1 || all[0].Seq != tt.seq || all[0].Hash == nil {
			t.Errorf("when %s: %+v, %v; want number %d", tt.when, all, err, tt.seq)
		}
		// The next server is a copy that lacks the newest.
		sqlExec(t, place, `DELETE FROM record WHERE seq = 2`)
		sqlExec(t, place, `UPDATE lane SET top = 1, next = 2, received = 1`)
		cut()
	}
}

// The kernel ends a connection to a server that is gone without a word: nothing else
// bounds the wait of the ingest for it.
func TestSilentServerIsNoticed(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	raw, err := s.conn.(*postgresConn).c.PgConn().Conn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ option, want int }{
		"unconfirmed, ms":      {unix.TCP_USER_TIMEOUT, 30_000},
		"idle before asked, s": {unix.TCP_KEEPIDLE, 10},
		"between questions, s": {unix.TCP_KEEPINTVL, 5},
		"questions":            {unix.TCP_KEEPCNT, 3},
	} {
		var got int
		if ctlErr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, tt.option) }); ctlErr != nil || err != nil || got != tt.want {
			t.Errorf("%s: %d (%v, %v), want %d", name, got, ctlErr, err, tt.want)
		}
	}
}
