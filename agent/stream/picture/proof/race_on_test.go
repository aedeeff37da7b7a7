//go:build race

package main

// underRace is that the race detector watches. Clips are then made three times
// as slowly, by code that has one goroutine for each; make test makes them
// without it as well.
const underRace = true
