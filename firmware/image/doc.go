// Package image is the recipe of a card: build makes it (base Debian's root,
// assemble what stands on the card), and its test boots one in an emulated machine.
// See docs/how-to/make-a-card.md.
package image
