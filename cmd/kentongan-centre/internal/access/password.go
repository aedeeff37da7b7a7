package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Cost is what one try of a password costs whoever tries.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Threads   uint8
}

// DefaultCost is the second recommended option of RFC 9106, section 4: 64 MiB, 3
// passes, 4 lanes, for where the first one's 2 GiB are too much.
var DefaultCost = Cost{MemoryKiB: 64 << 10, Passes: 3, Threads: 4}

const (
	saltBytes = 16 // RFC 9106, section 4: 128 bits
	keyBytes  = 32 // the same: 256 bits
	// maxHashing bounds the memory that people without an account can take.
	maxHashing = 2
	// MinPassword and maxPassword are in characters. NIST SP 800-63B-4, section
	// 3.1.1.2: at least 15 where the password stands alone, at least 64 allowed;
	// no rules of composition.
	MinPassword = 15
	maxPassword = 256
)

// Why a password is not taken.
var (
	ErrShort  = fmt.Errorf("a password has %d to %d characters; four words that don't belong together are one", MinPassword, maxPassword)
	ErrSimple = errors.New("the password repeats itself, or contains the name")
)

// checkPassword refuses what is guessed first.
func checkPassword(password, name string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > maxPassword || !utf8.ValidString(password) {
		return ErrShort
	}
	different := map[rune]bool{}
	for _, c := range password {
		different[unicode.ToLower(c)] = true
	}
	low := strings.ToLower(password)
	if len(different) < 6 || strings.Contains(low, strings.ToLower(name)) || strings.Contains(low, "password") || strings.Contains(low, "12345678") {
		return ErrSimple
	}
	return nil
}

// hash makes the PHC form: $argon2id$v=19$m=65536,t=3,p=4$salt$key.
func (c Cost) hash(password string) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, c.Threads, keyBytes)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, c.Threads, b64(salt), b64(key)), nil
}

// maxCost bounds what a row of the database can make us do.
var maxCost = Cost{MemoryKiB: 1 << 20, Passes: 32, Threads: 32}

// parseHash reads a PHC form.
func parseHash(phc string) (c Cost, salt, key []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return c, nil, nil, errors.New("not an argon2id hash")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Threads); err != nil {
		return c, nil, nil, fmt.Errorf("argon2id cost %q: %w", parts[3], err)
	}
	if c.MemoryKiB < 8*uint32(c.Threads) || c.Passes < 1 || c.Threads < 1 || c.MemoryKiB > maxCost.MemoryKiB || c.Passes > maxCost.Passes || c.Threads > maxCost.Threads {
		return c, nil, nil, fmt.Errorf("argon2id cost %q is out of range", parts[3])
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(salt) < 8 {
		return c, nil, nil, errors.New("argon2id salt is damaged")
	}
	if key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(key) != keyBytes {
		return c, nil, nil, errors.New("argon2id key is damaged")
	}
	return c, salt, key, nil
}

// verify tells whether password is the one that phc was made of.
func verify(phc, password string) (bool, error) {
	c, salt, key, err := parseHash(phc)
	if err != nil {
		return false, err
	}
	got := argon2.IDKey([]byte(password), salt, c.Passes, c.MemoryKiB, c.Threads, keyBytes)
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// slot waits for a turn to work on a password.
func (r *Room) slot(ctx context.Context) (release func(), err error) {
	select {
	case r.hashing <- struct{}{}:
		return func() { <-r.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// SetPassword gives an account a new password and ends its links and browsers'
// sessions but for the one given, which is "" for none. Walls and programs stay.
func (r *Room) SetPassword(ctx context.Context, account, password, keep string) error {
	a, err := r.account(ctx, "id", account)
	if err != nil {
		return err
	}
	if err := checkPassword(password, a.Name); err != nil {
		return err
	}
	release, err := r.slot(ctx)
	if err != nil {
		return err
	}
	phc, err := r.cfg.Cost.hash(password)
	release()
	if err != nil {
		return err
	}
	if _, err := r.change(ctx, "set password", `UPDATE account SET password = ? WHERE id = ?`, phc, account); err != nil {
		return err
	}
	_, err = r.change(ctx, "end sessions", `DELETE FROM access_session WHERE account = ? AND kind IN ('browser', 'link') AND hash <> ?`, account, keep)
	return err
}
