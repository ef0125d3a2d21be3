// Package mirror fulfils requirements: it fetches module versions from upstream, checks what was sent, and publishes it
// into a store ([Run]).
//
// Upstream is not trusted. What it sends must be well formed for the version asked for, and have the sums that the
// checksum database and the user's go.sum name; else nothing of it reaches the store.
//
// What the checksum database says travels along: with each public version its
// record and tile, and beside them a snapshot of the database at one signed head, so
// that the go command can verify everything where there is no network.
package mirror
