package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// put writes a file that another may read at any moment: it is never half there.
func put(t *testing.T, file string, b []byte, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(file+".new", b, perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func zstdOf(t *testing.T, b []byte) (packed []byte, sum string) {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	packed = z.EncodeAll(b, nil)
	return packed, hash(packed)
}
