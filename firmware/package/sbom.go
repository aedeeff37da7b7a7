package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill is the list of what is in programs, as CycloneDX: the programs with their
// checksums, every module that is linked into one of them as the programs
// themselves say (`go version -m`), its licence, and who needs whom. The same
// programs give the same bytes.
func bill(root, version string, at time.Time, programs []string) ([]byte, error) {
	if len(programs) == 0 {
		return nil, fmt.Errorf("no program to list")
	}
	_, own, err := licenceIn(root)
	if err != nil {
		return nil, err
	}
	modules, err := union(programs)
	if err != nil {
		return nil, err
	}
	if err := licensed(modules); err != nil {
		return nil, err
	}
	b := cdx.NewBOM()
	b.Metadata = &cdx.Metadata{Timestamp: at.UTC().Format(time.RFC3339), Component: &cdx.Component{
		BOMRef: "kentongan", Type: cdx.ComponentTypeApplication, Name: "kentongan", Version: version, Licenses: licences(own)}}
	var components []cdx.Component
	var dependencies []cdx.Dependency
	var refs []string
	for _, p := range programs {
		c, needs, err := programComponent(p, version)
		if err != nil {
			return nil, err
		}
		components, refs = append(components, c), append(refs, c.BOMRef)
		dependencies = append(dependencies, cdx.Dependency{Ref: c.BOMRef, Dependencies: &needs})
	}
	dependencies = append([]cdx.Dependency{{Ref: "kentongan", Dependencies: &refs}}, dependencies...)
	for _, m := range modules {
		c := cdx.Component{BOMRef: m.id(), Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl(m), Licenses: licences(m.Licenses)}
		if m.Sum != "" { // a hash of hashes, as in go.sum: no hash of a file
			c.Properties = &[]cdx.Property{{Name: "kentongan:go.sum", Value: m.Sum}}
		}
		components = append(components, c)
	}
	b.Components, b.Dependencies = &components, &dependencies
	text, err := encode(b)
	if err != nil {
		return nil, err
	}
	// Its number is made of what it says, not of chance.
	b.SerialNumber = serial(text)
	return encode(b)
}

func programComponent(file, version string) (c cdx.Component, needs []string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return c, nil, err
	}
	info, modules, err := modulesOf(file)
	if err != nil {
		return c, nil, err
	}
	for _, m := range modules {
		needs = append(needs, m.id())
	}
	sum := sha256.Sum256(text)
	name := filepath.Base(file)
	c = cdx.Component{BOMRef: "program:" + name, Type: cdx.ComponentTypeApplication, Name: name, Version: version,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}}
	var said []cdx.Property
	for _, s := range info.Settings {
		switch s.Key {
		case "GOOS", "GOARCH", "GOARM", "GOAMD64", "GOARM64", "CGO_ENABLED":
			said = append(said, cdx.Property{Name: "kentongan:build:" + s.Key, Value: s.Value})
		}
	}
	c.Properties = &said
	return c, needs, nil
}

// licences are SPDX's names; all of them hold.
func licences(names []string) *cdx.Licenses {
	if len(names) == 1 {
		return &cdx.Licenses{{License: &cdx.License{ID: names[0]}}}
	}
	return &cdx.Licenses{{Expression: strings.Join(names, " AND ")}}
}

func purl(m linked) string {
	return "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
}

func encode(b *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	e := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON)
	e.SetPretty(true)
	err := e.Encode(b)
	return out.Bytes(), err
}

// serial is a UUID of version 8 (RFC 9562: made in a way of one's own).
func serial(text []byte) string {
	h := sha256.Sum256(text)
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
