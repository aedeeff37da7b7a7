package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"kentongan/firmware"
)

func runInit(_ context.Context, e env, args []string) error {
	var from, keysFile, programFile, releaseFile string
	dir, _, err := flags(e, "init", args, func(f *flag.FlagSet) {
		f.StringVar(&from, "from", "", "a bundle, or a directory with its files, instead of the other three")
		f.StringVar(&keysFile, "keys", "", "the key list to believe")
		f.StringVar(&programFile, "program", "", "the first version's program")
		f.StringVar(&releaseFile, "release", "", "the release that it came from")
	})
	if err != nil {
		return err
	}
	if from != "" {
		return initFrom(dir, from)
	}
	if keysFile == "" || programFile == "" {
		return usageError("--from BUNDLE, or --keys FILE and --program FILE are needed")
	}
	keys, err := os.ReadFile(keysFile)
	if err != nil {
		return err
	}
	var release []byte
	if releaseFile != "" {
		if release, err = os.ReadFile(releaseFile); err != nil {
			return err
		}
	}
	program, err := os.Open(programFile)
	if err != nil {
		return err
	}
	defer program.Close()
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return err
	}
	defer done()
	if err := d.Init(keys, program, release); err != nil {
		return fmt.Errorf("%s: %w", keysFile, err)
	}
	return nil
}

func initFrom(dir, from string) error {
	source, err := firmware.OpenSource(from)
	if err != nil {
		return err
	}
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return err
	}
	defer done()
	if err := d.InitFrom(source, firmware.ThisBoard()); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

func runBack(_ context.Context, e env, args []string) error {
	dir, _, err := flags(e, "back", args, nil)
	if err != nil {
		return err
	}
	d, done, err := firmware.Lock(dir)
	if err != nil {
		return err
	}
	defer done()
	t, err := d.Undo()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "slot %s runs from the next start on\n", t.Previous)
	return nil
}

func runStatus(_ context.Context, e env, args []string) error {
	dir, _, err := flags(e, "status", args, nil)
	if err != nil {
		return err
	}
	disk, err := firmware.OpenDisk(dir)
	if err != nil {
		return fmt.Errorf("open update directory: %w", err)
	}
	defer disk.Close()
	s, err := firmware.NewDir(disk).Status()
	if err != nil {
		return err
	}
	return writeJSON(e.stdout, s)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
