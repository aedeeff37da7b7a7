package access_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"kentongan/cmd/kentongan-centre/internal/access"
)

// FuzzPasskey: what a browser answers when a passkey is made or used is taken or
// refused; it is no fault of the centre. The answer is whole (raw), or the bytes that
// the authenticator made, in an answer to the right challenge.
func FuzzPasskey(f *testing.F) {
	site := access.Site{Host: "pusat.test", Origin: "https://pusat.test"}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	host := sha256.Sum256([]byte(site.Host))
	data := append(host[:], 0x45, 0, 0, 0, 1) // user present and verified, with a key
	login := bytes.Clone(data)
	login[32] = 5
	data = append(append(data, make([]byte, 16)...), 0, 4, 'k', 'e', 'y', '1')
	data = append(append(data, 0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32), public[1:33]...) // COSE: EC2, ES256, P-256
	data = append(append(data, 0x22, 0x58, 32), public[33:]...)
	object := fmt.Appendf(nil, "\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58%c%s", len(data), data) // CBOR
	f.Add([]byte(nil), object)
	f.Add([]byte(nil), login)
	f.Add([]byte(nil), []byte("\xa3\x63fmt\x66packed\x67attStmt\xa1\x63sig\x40\x68authData\x40"))
	f.Add([]byte(`{"id":"a2V5MQ","rawId":"a2V5MQ","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`), []byte(nil))
	f.Add([]byte(`{"id":"a2V5MQ","rawId":"a2V5MQ","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":null}}`), []byte(nil))
	r := open(f)
	a := r.add(f, "sari", access.Operator)
	b64 := base64.RawURLEncoding.EncodeToString
	n := 0
	answer := func(kind, challenge string, object []byte) []byte {
		client := fmt.Sprintf(`{"type":%q,"challenge":%q,"origin":%q}`, kind, challenge, site.Origin)
		text, err := json.Marshal(map[string]any{"id": b64([]byte("key1")), "rawId": b64([]byte("key1")), "type": "public-key", "response": map[string]any{
			"clientDataJSON": b64([]byte(client)), "attestationObject": b64(object), "authenticatorData": b64(object), "signature": b64(object), "userHandle": b64([]byte(a.ID))}})
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	f.Fuzz(func(t *testing.T, raw, object []byte) {
		n++
		options, id, err := r.BeginPasskey(t.Context(), site, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		text := raw
		if len(text) == 0 {
			text = answer("webauthn.create", options.(*protocol.CredentialCreation).Response.Challenge.String(), object)
		}
		if err := r.AddPasskey(t.Context(), site, a.ID, id, "phone", text); err != nil && !errors.Is(err, access.ErrPasskey) {
			t.Errorf("add: %v", err)
		}
		from := access.From{Addr: fmt.Sprintf("10.%d.%d.1", n>>8&255, n&255)} // one address may not ask so often
		options, id, err = r.BeginLogin(site, from)
		if err != nil {
			t.Skip(err)
		}
		if len(raw) == 0 {
			text = answer("webauthn.get", options.(*protocol.CredentialAssertion).Response.Challenge.String(), object)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/login/passkey", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if token, _, err := r.FinishLogin(t.Context(), site, id, req, from); err == nil {
			t.Errorf("let in with %q: %q", text, token)
		} else if !errors.Is(err, access.ErrLogin) {
			t.Errorf("log in: %v", err)
		}
		if err := r.DropPasskey(t.Context(), a.ID, b64([]byte("key1"))); err != nil && !errors.Is(err, access.ErrPasskey) {
			t.Fatal(err)
		}
	})
}
