package store

import (
	"context"
	"fmt"
)

// migrations bring a database from version i to i+1 (SQLite's user_version, in
// PostgreSQL the table schema_version). What is released is not changed any
// more; a change is a new entry.
var migrations = []migration{
	{both: recordSchema, sqlite: recordsSQLite, postgres: recordsPostgres},
	{both: alarmSchema},
	{both: appSchema},
	{both: ticketSchema},
	{both: agencySchema},
	{both: accessSchema},
	{both: auditSchema},
	{both: siteSchema, sqlite: siteOfOld},
	{both: rootSchema},
	{both: appDaySchema},
	{both: surroundingsSchema},
	{both: ordersSchema},
	{both: retainSchema},
	{both: clockSchema},
	{both: countSchema},
	{both: withheldSchema, sqlite: withheldSQLite, postgres: withheldPostgres},
	{both: ticketIndexSchema},
	{both: rolloutSchema},
	{both: erasedSchema, sqlite: erasedSQLite, postgres: erasedPostgres},
	{both: accessLogSchema},
}

// migration is one step of the schema. Its text is in SQLite's words, which
// dialect.ddl translates; what can't be said so is said for each database.
type migration struct {
	both             string
	sqlite, postgres string
}

func (m migration) text(d dialect) string {
	own := m.sqlite
	if d == postgres {
		own = m.postgres
	}
	return d.ddl(m.both) + own
}

// migrated is a conn whose schema can be changed.
type migrated interface {
	conn
	version(ctx context.Context) (int, error)
	setVersion(ctx context.Context, v int) error
	script(ctx context.Context, text string) error // many statements
}

// migrate runs what the database lacks, each step in a transaction of its own.
func migrate(c migrated, d dialect) error {
	ctx := context.Background()
	version, err := c.version(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if version > len(migrations) {
		return fmt.Errorf("schema version %d is newer than this program, which knows %d; use the newer kentongan-centre", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := migrateTo(ctx, c, d, version+1); err != nil {
			return fmt.Errorf("bring schema to version %d: %w", version+1, err)
		}
	}
	return nil
}

func migrateTo(ctx context.Context, c migrated, d dialect, version int) error {
	if _, err := c.begin(ctx); err != nil {
		return err
	}
	err := c.script(ctx, migrations[version-1].text(d))
	if err == nil {
		err = c.setVersion(ctx, version)
	}
	if err == nil {
		err = c.commit(ctx)
	}
	if err != nil {
		_ = c.rollback(ctx) // the first error tells
	}
	return err
}
