//go:build race

package spool

// slowdown is by how much tests that count images do fewer of them: the race
// detector makes each some ten times as slow, and the same code runs in all.
const slowdown = 20
