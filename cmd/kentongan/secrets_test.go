package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// planted is in every secret of the script.
const planted = "zzPLANTED"

// nosecret PATH... wants no planted secret in files and in all below directories.
func nosecret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: nosecret PATH...")
	}
	looked := 0
	for _, arg := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(arg), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			looked += len(text)
			if i := bytes.Index(text, []byte(planted)); i >= 0 {
				return fmt.Errorf("a secret in %s: %q", path, text[max(0, i-80):min(len(text), i+40)])
			}
			return nil
		}))
	}
	if looked == 0 {
		ts.Fatalf("nothing to look at")
	}
}

// unpack ARCHIVE DIR unpacks a tar.gz.
func unpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unpack ARCHIVE DIR")
	}
	z, err := gzip.NewReader(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	ts.Check(err)
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		text, err := io.ReadAll(t)
		ts.Check(err)
		to := filepath.Join(ts.MkAbs(args[1]), filepath.FromSlash(h.Name))
		ts.Check(os.MkdirAll(filepath.Dir(to), 0o700))
		ts.Check(os.WriteFile(to, text, 0o600))
	}
}

// lists is what anybody's ps and the kernel show of a process and its children.
func lists(pid int) (all []byte) {
	for _, name := range []string{"cmdline", "environ", "task/" + strconv.Itoa(pid) + "/children"} {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)) // some kernels have no children
		all = append(append(all, text...), '\n')
		if filepath.Base(name) != "children" {
			continue
		}
		for _, child := range bytes.Fields(text) {
			if n, err := strconv.Atoi(string(child)); err == nil {
				all = append(all, lists(n)...)
			}
		}
	}
	return all
}
