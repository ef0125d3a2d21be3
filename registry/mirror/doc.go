// Package mirror carries module versions from upstream into a store: it asks a
// list of GOPROXY servers for them, checks what they send, and publishes it.
//
// Upstream is not trusted. What it sends must be well formed for the version
// asked for, and have the sums that the checksum database and the user's
// go.sum name; else nothing of it reaches the store.
package mirror
