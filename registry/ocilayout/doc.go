// Package ocilayout keeps a store in an OCI image layout directory (image-spec 1.1, image-layout.md). Every tag of
// every repository is one entry of index.json, whose org.opencontainers.image.ref.name is "<repository>:<tag>".
//
//	oci-layout          marks the directory; written last when it is created
//	index.json          one entry a line, sorted by ref name, then what other tools wrote
//	blobs/sha256/<hex>  read-only, never changed
//	.modferry/journal   entries that index.json lacks as yet
//	.modferry/lock      flock: see below
//	.modferry/tmp/      files being written; an old one is left over from a crash, and swept
//
// Rewriting index.json for each tag would cost more with every version, so a tag is appended to the journal: one
// line, the index entry to be. What the layout says is index.json with the journal's lines applied in order, a later
// line replacing what has the same ref name.
//
// The lines of this package have one form, by which they are read without a JSON parser: a layout of 20,000 signed
// versions is opened in some 20 ms, and holds 13 MB of memory. What else is in index.json is read as JSON, and of
// those entries the manifests too, which say what they are: what another tool wrote takes reading a file for each
// entry.
//
// What refers to a manifest, as signatures do that are sigstore bundles, is listed in the image index under the tag
// sha256-<hex> of its repository, as in a registry that keeps no such lists. Other tools add the manifest alone to
// index.json; it is found by its subject.
//
// # The lock
//
// It is for one purpose: between reading what the layout says and changing it, nobody else changes it. Blobs and
// manifests need no lock: their names are digests, and a rename puts them there whole. Readers take none and write
// nothing.
//
//   - A blob: write to tmp, check size and digest, rename. A manifest: the same, once all blobs it lists are there.
//     A blob may also be written to a file in tmp by who checks it there, and then renamed.
//   - A referrer: the same as a tag, with the list read and written under the lock.
//   - A tag: fsync the manifest and all that it leads to, whoever wrote that, and blobs/sha256; lock; refuse to create
//     one that names another manifest; append after the last whole line; fsync; unlock. Only then the push returns.
//     Tags that are put while one of these steps waits for the disk are put together by the next: the files of all
//     of them, many at a time, one lock and one append.
//   - What no tag leads to is fsynced on Close.
//   - A fold, on Close, and before the first push if an interrupted run left a journal: lock; write index.json with
//     the journal applied (tmp, fsync, rename, fsync of the directory); remove the journal; unlock.
//   - A reader opens the journal, reads index.json, and starts again if either has meanwhile been replaced. It keeps
//     the journal open, so that its inode number cannot come back: comparing it tells a fold from an append, of which
//     only the new lines are read.
//
// # What survives what
//
//   - A kill at any step: what a push has returned for is there, and the kernel lets go of the lock. Within a blob,
//     it leaves a file in tmp; within an append, a last line without its newline, which readers skip and the next
//     writer cuts off; within a fold, a journal whose lines are applied a second time, to no effect.
//   - A power cut: the same, but for blobs that no tag leads to: they may hold anything, and whoever pushes them again
//     finds out. Lines that were never acknowledged may hold anything; those that are no entry are
//     skipped.
//   - A full disk: the push or the fold fails, nothing that was there is lost, and the next one starts where it
//     started.
//   - Two processes, or two stores in one: each sees the other's tags; of two that create a tag, one is told
//     registry.ErrTagExists. One that is stopped while it has the lock holds up the others' pushes until their
//     contexts end, and no reader.
//   - Another tool that writes index.json, before or between: what it wrote is kept as it is, and what it only wrote
//     again gets the form of this package. It sees a tag after the fold and need not know .modferry. It does not know
//     the lock either, so it must not write while this package does.
//   - Read-only media, and a copy taken between two pushes: they can be read. A copy that lacks oci-layout is a
//     layout again after the first push.
//   - A damaged blob is an error, artifact.ErrCorrupt, never absence, until the same blob is pushed again.
//
// # Why a journal
//
// A file per tag, created with link(2) and folded likewise, took 21 and 67 s for the tags of 5,000 and 20,000 signed
// versions, where the journal took 12 and 50. A start before the fold has to open each of them. And it needs the same
// lock, or else a tag could be created anew between its file's removal and an earlier look at the index.
package ocilayout
