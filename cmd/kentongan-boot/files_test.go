package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func put(t *testing.T, file string, b []byte, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, b, perm); err != nil {
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
