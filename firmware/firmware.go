// Package firmware brings a new version of the device program onto a board, and
// the old one back when the new one is not well.
//
// A release is a signed note (c2sp.org/signed-note, Ed25519) that names each
// payload with size and SHA-256. A release key signs it; which release keys are
// good says another note, the key list, which 2 of 3 offline root keys sign.
//
//	Source (bundle file, directory, download) ──► Check ──► Apply ──► Boot ──► Judge
//	 keys, release, payloads                      trust     slot b     count    commit or
//	                                              floor     trial      starts   roll back
//
// # Trust
//
// Nothing here needs a clock: a number that only rises (the floor) keeps old
// releases out, and nothing stops working because a date has passed. An expiry
// in a release only refuses that release, and only where the time is known.
//
// # Durability
//
// Everything under the update directory changes by write, sync, rename, sync of
// the directory, in an order in which a power cut after any step leaves the old
// or the new version whole (TestCutAtEveryStep).
//
// # Concurrency
//
// One process at a time changes a directory: Lock holds it. Status only reads
// and can be called beside it.
package firmware
