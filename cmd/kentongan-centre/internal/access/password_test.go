package access

import (
	"strings"
	"testing"
)

// The vector of RFC 9106, section 5.3, has a secret and associated data, which
// this form does not; this one was made by the reference program of the
// algorithm's authors: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1.
func TestVerifyKnowsTheReference(t *testing.T) {
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for password, want := range map[string]bool{"password": true, "Password": false, "": false} {
		if got, err := verify(phc, password); err != nil || got != want {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
}

func TestHashIsOfItsCost(t *testing.T) {
	c := Cost{MemoryKiB: 64, Passes: 2, Threads: 3}
	one, err := c.hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.hash("secret")
	if err != nil || one == two {
		t.Errorf("the same salt twice: %s %s %v", one, two, err)
	}
	if got, _, _, err := parseHash(one); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzHash: whatever stands in the database costs at most maxCost.
func FuzzHash(f *testing.F) {
	good, err := (Cost{MemoryKiB: 64, Passes: 1, Threads: 1}).hash("x")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, "", "$argon2id$", strings.Replace(good, "m=64", "m=4294967295", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "argon2id", "argon2i", 1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, phc string) {
		c, salt, key, err := parseHash(phc)
		if err == nil && (c.MemoryKiB > maxCost.MemoryKiB || c.Passes > maxCost.Passes || c.Passes < 1 || c.Threads < 1 || len(salt) < 8 || len(key) != keyBytes) {
			t.Errorf("%q: %+v", phc, c)
		}
	})
}
