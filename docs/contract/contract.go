// Package contract holds the contract between devices and command centres as
// files: JSON Schemas, an AsyncAPI document and examples, for whoever writes the
// other end in another language. README.md explains them.
package contract

import "embed"

//go:generate go run ./generate

// Files are the schemas (schema), the examples (examples) and asyncapi.json.
//
//go:embed schema examples asyncapi.json
var Files embed.FS
