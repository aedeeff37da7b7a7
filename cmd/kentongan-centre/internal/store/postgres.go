package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// OpenPostgresBeside is OpenPostgres for a tool that works beside a running
// centre. Nothing can be committed to it, and NobodyConnected, Receipts and the
// like are the centre's alone.
func OpenPostgresBeside(url, password string, log *slog.Logger) (*Store, error) {
	return openPostgres(url, password, log, true)
}

// OpenPostgres opens a PostgreSQL database and brings its schema up to date. The
// URL is postgres://USER@HOST/DATABASE?…, as libpq reads it; it holds no password,
// which comes from the argument where that is not "", or as libpq finds it:
// PGPASSWORD, the password file, the service file.
//
// The tables are made in the first schema of the search_path. While the store is
// open, no other can open the same schema.
func OpenPostgres(url, password string, log *slog.Logger) (*Store, error) {
	return openPostgres(url, password, log, false)
}

func openPostgres(url, password string, log *slog.Logger, beside bool) (*Store, error) {
	cfg, err := parsePostgres(url, password)
	if err != nil {
		return nil, err
	}
	s := newStore(postgres, log)
	if s.conn, err = newPostgresConn(cfg, log, beside); err != nil {
		return nil, fmt.Errorf("open database %s: %w", postgresName(cfg), err)
	}
	read := cfg.Copy()
	read.RuntimeParams["default_transaction_read_only"] = "on"
	read.RuntimeParams["statement_timeout"] = "60s" // of a page that nobody waits for any more
	r := stdlib.OpenDB(*read)
	r.SetMaxOpenConns(8)
	r.SetMaxIdleConns(4)
	r.SetConnMaxIdleTime(5 * time.Minute)
	s.read = newPool(r, postgres)
	e := stdlib.OpenDB(*cfg)
	e.SetMaxOpenConns(1)
	s.edit = newPool(e, postgres)
	return s, nil
}

// postgresName is a database as people know it, without secrets.
func postgresName(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("%s at %s", cfg.Database, net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)))
}

func parsePostgres(url, password string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, errors.New("database: write postgres://USER@HOST:PORT/DATABASE")
	}
	cfg, err := pgx.ParseConfig(url) // its errors leave the password out
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if password != "" {
		cfg.Password = password
	}
	if err := checkTLS(cfg); err != nil {
		return nil, err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	cfg.DialFunc = postgresDialer().DialContext
	for name, value := range map[string]string{
		"application_name": "kentongan-centre",
		// What is acknowledged is on the disk, whatever the server's own default.
		"synchronous_commit": "on",
		// Compiling a page's query takes ten times as long as running it.
		"jit": "off",
		// A centre that is cut off holds its lock no longer than this.
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		if _, given := cfg.RuntimeParams[name]; !given || name == "synchronous_commit" {
			cfg.RuntimeParams[name] = value
		}
	}
	return cfg, nil
}

// checkTLS refuses the default of libpq, which goes on without encryption, and
// without a word, when somebody in between says that the server has none.
func checkTLS(cfg *pgx.ConnConfig) error {
	if cfg.TLSConfig == nil {
		return nil // on the same machine, or sslmode=disable
	}
	for _, f := range cfg.Fallbacks {
		if f.TLSConfig == nil && !local(f.Host) {
			return fmt.Errorf("database: host %s is another machine: add sslmode=verify-full (and sslrootcert=FILE), or sslmode=disable where the network is trusted", f.Host)
		}
	}
	return nil
}

// local tells whether a host is this machine: a socket's directory, or loopback.
func local(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
}

// ErrOtherCentre is a database that another centre has open.
var ErrOtherCentre = errors.New("another kentongan-centre uses this database; end it, or use another database")

// lockWait is how long the lock of a centre that has just been killed may
// outlive it: until its server process has noticed.
const lockWait = 5 * time.Second

// postgresConn is a conn on PostgreSQL. What exec is given waits in batch for
// the next call of another kind, so that a hundred statements cost one round trip.
type postgresConn struct {
	cfg    *pgx.ConnConfig
	log    *slog.Logger
	beside bool      // without the centre's lock; then nothing is committed
	c      *pgx.Conn // nil, or closed, when it is gone
	batch  pgx.Batch
}

// errBeside is a commit to a store that was opened beside a centre.
var errBeside = errors.New("the database was opened beside the centre's")

func newPostgresConn(cfg *pgx.ConnConfig, log *slog.Logger, beside bool) (*postgresConn, error) {
	p := &postgresConn{cfg: cfg, log: log, beside: beside}
	err := p.connect(context.Background())
	if err == nil {
		err = p.check(context.Background())
	}
	if err == nil {
		// A tool may be at it at the same time.
		_, err = p.c.Exec(context.Background(), `SELECT pg_advisory_lock(hashtext('kentongan-schema'), hashtext(current_schema()))`)
	}
	if err == nil {
		err = migrate(p, postgres)
	}
	if err == nil {
		_, err = p.c.Exec(context.Background(), `SELECT pg_advisory_unlock(hashtext('kentongan-schema'), hashtext(current_schema()))`)
	}
	if err != nil || beside {
		err = errors.Join(err, p.close())
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// connect opens a connection and takes the centre's lock, which lives as long as
// the connection does.
func (p *postgresConn) connect(ctx context.Context) error {
	c, err := pgx.ConnectConfig(ctx, p.cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if p.beside {
		p.c = c
		return nil
	}
	began := time.Now()
	for {
		var got bool
		err := c.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtext('kentongan-centre'), hashtext(current_schema()))`).Scan(&got)
		switch {
		case err != nil:
			err = fmt.Errorf("take the centre's lock: %w", err)
		case got:
			p.c = c
			return nil
		case time.Since(began) > lockWait:
			err = ErrOtherCentre
		default:
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
}

// check refuses a server that can't keep what it acknowledges, or can't hold
// what devices write.
func (p *postgresConn) check(ctx context.Context) error {
	for _, setting := range []struct{ name, want, why string }{
		{"fsync", "on", "a power cut would take what it has acknowledged"},
		{"full_page_writes", "on", "a power cut could damage the database"},
		{"server_encoding", "UTF8", "it could not hold what devices write; make the database with ENCODING 'UTF8'"},
	} {
		var got string
		if err := p.c.QueryRow(ctx, `SELECT current_setting($1)`, setting.name).Scan(&got); err != nil {
			return fmt.Errorf("read setting %s: %w", setting.name, err)
		}
		if got != setting.want {
			return fmt.Errorf("the server runs with %s = %s: %s", setting.name, got, setting.why)
		}
	}
	return nil
}

func (p *postgresConn) begin(ctx context.Context) (anew bool, err error) {
	p.batch = pgx.Batch{}
	if p.beside && p.c.IsClosed() {
		return false, errBeside
	}
	if p.c == nil || p.c.IsClosed() {
		if err := p.connect(ctx); err != nil {
			return false, err
		}
		anew = true
		p.log.Info("database is back", "database", postgresName(p.cfg))
	}
	_, err = p.c.Exec(ctx, "BEGIN")
	return anew, err
}

func (p *postgresConn) commit(ctx context.Context) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	tag, err := p.c.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = fmt.Errorf("the server answers %s", tag) // ROLLBACK, of a transaction that had failed
	}
	return err
}

func (p *postgresConn) rollback(ctx context.Context) error {
	p.batch = pgx.Batch{}
	if p.c == nil || p.c.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := p.c.Exec(ctx, "ROLLBACK"); err != nil {
		return errors.Join(err, p.c.Close(ctx))
	}
	return nil
}

func (p *postgresConn) exec(_ context.Context, query string, args ...any) error {
	p.batch.Queue(postgres.query(query), postgres.args(args)...)
	return nil
}

// flush sends what waits.
func (p *postgresConn) flush(ctx context.Context) error {
	if p.batch.Len() == 0 {
		return nil
	}
	waiting := p.batch
	p.batch = pgx.Batch{}
	results := p.c.SendBatch(ctx, &waiting)
	for _, q := range waiting.QueuedQueries {
		if _, err := results.Exec(); err != nil {
			return errors.Join(fmt.Errorf("run %q: %w", q.SQL, err), results.Close())
		}
	}
	return results.Close()
}

func (p *postgresConn) query(ctx context.Context, query string, args ...any) (rows, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	return p.c.Query(ctx, postgres.query(query), postgres.args(args)...)
}

func (p *postgresConn) addRecords(ctx context.Context, rs []recordRow) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	_, err := p.c.CopyFrom(ctx, pgx.Identifier{"record"}, []string{"lane_id", "seq", "received_at", "kind", "line"},
		pgx.CopyFromSlice(len(rs), func(i int) ([]any, error) {
			r := &rs[i]
			return []any{r.lane, r.seq, r.at, noNUL(r.kind), r.line}, nil
		}))
	return err
}

// Conditions of PostgreSQL, appendix A of its manual.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func (p *postgresConn) doubled(err error) bool { return pgCode(err) == uniqueViolation }

func (p *postgresConn) passing(err error) bool { return passing(err) }

// passing is conn's, for every connection; of SQLite nothing is.
func passing(err error) bool {
	code := pgCode(err)
	return code == serializationFailure || code == deadlockDetected
}

func (p *postgresConn) close() error {
	if p.c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return p.c.Close(ctx)
}

func (p *postgresConn) version(ctx context.Context) (v int, err error) {
	if _, err := p.c.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
		return 0, err
	}
	return v, p.c.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&v)
}

func (p *postgresConn) setVersion(ctx context.Context, v int) error {
	if _, err := p.c.Exec(ctx, `DELETE FROM schema_version`); err != nil {
		return err
	}
	_, err := p.c.Exec(ctx, `INSERT INTO schema_version (version) VALUES ($1)`, v)
	return err
}

func (p *postgresConn) script(ctx context.Context, text string) error {
	_, err := p.c.PgConn().Exec(ctx, text).ReadAll()
	return err
}
