package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// make encodes and decodes a clip. With a directory in cache, what a clip
// decoded to is kept there and taken from there: for who works on the Judge
// and does not want to wait for the encoders each time.
func (c *clip) make(ctx context.Context, cache string) (*decoded, error) {
	path := filepath.Join(cache, fmt.Sprintf("%s-%d.gob", c.Name, c.Seed))
	if cache != "" {
		d, err := load(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
	}
	stream, err := c.encode(ctx)
	if err != nil {
		return nil, err
	}
	d, err := c.decode(ctx, stream)
	if err != nil || cache == "" {
		return d, err
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(d); err != nil {
		return nil, err
	}
	return d, os.WriteFile(path, b.Bytes(), 0o644)
}

func load(path string) (*decoded, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(decoded)
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(d); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return d, nil
}
