package access

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Passkey is a key of an account that its browser, phone or token keeps
// (WebAuthn).
type Passkey struct {
	ID      string // base64url
	Label   string
	Created time.Time
	Used    *time.Time
}

// ErrNoPasskeys is an address that browsers make no passkeys for.
var ErrNoPasskeys = errors.New("passkeys need a name (or localhost) in the address, and https for a name")

// Site is the page as the browser calls it.
type Site struct {
	Host   string // without port
	Origin string // https://HOST[:PORT]
}

// Passkeys tells whether browsers make passkeys for it: the WebAuthn
// specification wants a domain, and a secure context.
func (s Site) Passkeys() bool {
	return s.Host == "localhost" || net.ParseIP(s.Host) == nil && s.Host != "" && len(s.Origin) > 8 && s.Origin[:8] == "https://"
}

func (s Site) party() (*webauthn.WebAuthn, error) {
	if !s.Passkeys() {
		return nil, ErrNoPasskeys
	}
	return webauthn.New(&webauthn.Config{
		RPID: s.Host, RPDisplayName: "Kentongan", RPOrigins: []string{s.Origin},
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
	})
}

// holder is an account as the library wants it.
type holder struct {
	Account
	keys []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return []byte(h.ID) }
func (h holder) WebAuthnName() string                       { return h.Name }
func (h holder) WebAuthnDisplayName() string                { return h.Shown() }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (r *Room) holder(ctx context.Context, account string) (h holder, err error) {
	if h.Account, err = r.account(ctx, "id", account); err != nil {
		return h, err
	}
	h.keys, err = sqlrows.Collect(ctx, r.cfg.Read, "passkeys", func(rows *sql.Rows) (c webauthn.Credential, err error) {
		var doc []byte
		if err := rows.Scan(&doc); err != nil {
			return c, err
		}
		return c, json.Unmarshal(doc, &c)
	}, `SELECT doc FROM passkey WHERE account = ? ORDER BY created_at`, account)
	return h, err
}

// ceremonies are the challenges that wait for their answer: each for one. Where too
// many log-ins wait the oldest goes, and so with registrations: strangers who only ask
// take no place of somebody who is logged in. They can't keep a log-in out from a few
// addresses, since BeginLogin lets each ask only so often; from many they can, and
// who has a password comes in by that.
type ceremonies struct {
	mu      sync.Mutex // guards waiting
	waiting map[string]ceremony
}

type ceremony struct {
	data    *webauthn.SessionData
	account string // of a registration
	ends    time.Time
}

const (
	ceremonyLife  = 5 * time.Minute
	maxCeremonies = 1000 // of log-ins, and of registrations
)

func newCeremonies() *ceremonies { return &ceremonies{waiting: map[string]ceremony{}} }

func (c *ceremonies) put(now time.Time, one ceremony) (id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest, alike := "", 0
	for k, w := range c.waiting {
		if now.After(w.ends) {
			delete(c.waiting, k)
			continue
		}
		if (w.account == "") != (one.account == "") {
			continue
		}
		alike++
		if oldest == "" || w.ends.Before(c.waiting[oldest].ends) {
			oldest = k
		}
	}
	if alike >= maxCeremonies {
		delete(c.waiting, oldest)
	}
	id, one.ends = newSecret(), now.Add(ceremonyLife)
	c.waiting[id] = one
	return id
}

func (c *ceremonies) take(now time.Time, id string) (ceremony, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.waiting[id]
	delete(c.waiting, id)
	return one, ok && now.Before(one.ends)
}

// BeginPasskey asks the browser for a new key of an account; the answer goes to
// AddPasskey with the id.
func (r *Room) BeginPasskey(ctx context.Context, site Site, account string) (options any, id string, err error) {
	party, err := site.party()
	if err != nil {
		return nil, "", err
	}
	h, err := r.holder(ctx, account)
	if err != nil {
		return nil, "", err
	}
	options, data, err := party.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("begin passkey: %w", err)
	}
	return options, r.ceremony.put(r.cfg.Now(), ceremony{data: data, account: account}), nil
}

// ErrPasskey is an answer of a browser that is not good.
var ErrPasskey = errors.New("the passkey's answer is not good")

// AddPasskey takes the browser's answer.
func (r *Room) AddPasskey(ctx context.Context, site Site, account, id, label string, answer []byte) error {
	party, err := site.party()
	if err != nil {
		return err
	}
	one, ok := r.ceremony.take(r.cfg.Now(), id)
	if !ok || one.account != account {
		return ErrPasskey
	}
	h, err := r.holder(ctx, account)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBody(bytes.NewReader(answer))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	key, err := party.CreateCredential(h, *one.data, parsed)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrPasskey, err)
	}
	doc, err := json.Marshal(key)
	if err != nil {
		return fmt.Errorf("encode passkey: %w", err)
	}
	n, err := r.change(ctx, "add passkey", `INSERT INTO passkey (id, account, label, doc, created_at, used_at) VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING`,
		keyID(key.ID), account, report.Clip(label, 80), string(doc), r.cfg.Now().UnixMilli())
	if err == nil && n == 0 {
		err = ErrPasskey
	}
	return err
}

func keyID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

// BeginLogin asks the browser for any passkey of ours; nothing is said of who
// has one.
func (r *Room) BeginLogin(site Site, from From) (options any, id string, err error) {
	if !r.byAddr.Take(Place(from.Addr), r.cfg.Now()) {
		return nil, "", ErrSlow
	}
	party, err := site.party()
	if err != nil {
		return nil, "", err
	}
	options, data, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("begin log-in: %w", err)
	}
	return options, r.ceremony.put(r.cfg.Now(), ceremony{data: data}), nil
}

// FinishLogin lets in who has a passkey.
func (r *Room) FinishLogin(ctx context.Context, site Site, id string, answer *http.Request, from From) (token string, a Account, err error) {
	party, err := site.party()
	if err != nil {
		return "", a, err
	}
	one, ok := r.ceremony.take(r.cfg.Now(), id)
	if !ok || one.account != "" {
		return "", a, ErrLogin
	}
	var broken error // of ours, and not of who asks
	user, key, err := party.FinishPasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		h, err := r.holder(ctx, string(handle))
		if err != nil && !errors.Is(err, ErrNoOne) {
			broken = err
		}
		return h, err
	}, *one.data, answer)
	if broken != nil {
		return "", a, broken
	}
	if err != nil {
		return "", a, fmt.Errorf("%w: %v", ErrLogin, err)
	}
	a = user.(holder).Account
	// A counter that went back says that the key was copied.
	if a.Disabled || key.Authenticator.CloneWarning {
		return "", a, ErrLogin
	}
	doc, err := json.Marshal(key)
	if err != nil {
		return "", a, fmt.Errorf("encode passkey: %w", err)
	}
	if _, err := r.change(ctx, "note use of passkey", `UPDATE passkey SET doc = ?, used_at = ? WHERE id = ?`, string(doc), r.cfg.Now().UnixMilli(), keyID(key.ID)); err != nil {
		return "", a, err
	}
	token, err = r.open(ctx, a.ID, Browser, r.cfg.Life, from)
	return token, a, err
}

// Passkeys lists the keys of an account.
func (r *Room) Passkeys(ctx context.Context, account string) ([]Passkey, error) {
	return sqlrows.Collect(ctx, r.cfg.Read, "passkeys", func(rows *sql.Rows) (k Passkey, err error) {
		var created, used int64
		err = rows.Scan(&k.ID, &k.Label, &created, &used)
		k.Created = when(created)
		if used != 0 {
			t := when(used)
			k.Used = &t
		}
		return k, err
	}, `SELECT id, label, created_at, used_at FROM passkey WHERE account = ? ORDER BY created_at`, account)
}

// DropPasskey takes a key away.
func (r *Room) DropPasskey(ctx context.Context, account, id string) error {
	n, err := r.change(ctx, "delete passkey", `DELETE FROM passkey WHERE account = ? AND id = ?`, account, id)
	if err == nil && n == 0 {
		err = ErrPasskey
	}
	return err
}
