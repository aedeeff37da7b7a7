//go:build !race

package spool

// slowdown is by how much tests that count images do fewer of them.
const slowdown = 1
