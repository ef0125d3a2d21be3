// Package sumdb is the checksum database without a network: what a store must keep so that an unmodified go command
// verifies every public module against the log operator's own signed tree head.
//
// The log is a Merkle tree over N records, published in tiles of height 8
// (golang.org/x/mod/sumdb/tlog). What is kept is split in two.
//
// With each module version goes its [Evidence]: the record, and the full level-0 tile with the record's hash if the
// tile was complete when it was captured. Neither depends on a tree head.
//
// Everything above level 0 is in one [Snapshot]:
//
//	head      the signed note: N and the root hash
//	spine     all hashes at tile level 1, 32·⌊N/256⌋ bytes; every tile at
//	          level 1 and above, and with the edge the root, derive from it
//	edge      the partial level-0 tile at the right, 32·(N mod 256) bytes
//	earlier   the heads of earlier snapshots, oldest first
//	frontier  for each earlier head N_i inside a tile, the level-0 tile
//	          ⌊N_i/256⌋, unless it is still the edge
//
// The frontier lets a client that holds an earlier head prove that the log it saw is a prefix of this one.
//
// A snapshot is stored as one OCI manifest:
//
//	artifactType  application/vnd.modferry.sumdb.snapshot.v1
//	config        application/vnd.modferry.sumdb.snapshot.config.v1+json
//	layers        head, edge, spine, spine, …, frontier, frontier, …
//
// The note is also inlined in the descriptor of its layer. There is no edge layer when N is a multiple of 256. Spine
// and frontier are cut into chunks of [ChunkSize] bytes, of which all but the last stay the same as the log grows.
//
// A Snapshot only ever exists checked: whether it was built from a log's tiles or read from a store, the note carries
// a valid signature, spine and edge hash to the signed root, each frontier tile to its hash in the spine, and each
// earlier head is signed too and describes a prefix of this log.
//
// Nothing in this package does I/O, except through functions it is given.
package sumdb

import (
	"golang.org/x/mod/sumdb/tlog"
)

// The shape of the log's tiles.
const (
	// TileHeight is the height of the tiles the go command asks for.
	TileHeight = 8

	// TileWidth is the number of hashes in a full tile.
	TileWidth = 1 << TileHeight

	// TileSize is the size in bytes of a full tile.
	TileSize = TileWidth * tlog.HashSize
)

// Limits on what is read and built.
const (
	// MaxNote bounds a signed note, in bytes.
	MaxNote = 4 << 10

	// MaxRecord bounds a formatted record, in bytes.
	MaxRecord = 64 << 10

	// MaxRecords bounds N, the number of records in the log.
	MaxRecords = 1 << 33

	// MaxEarlier bounds the number of earlier heads in a snapshot, and so the number of tiles in its frontier.
	MaxEarlier = 4096

	// ChunkSize is the size in bytes of the chunks of spine and frontier.
	ChunkSize = 512 << 10

	// maxConfig bounds the config blob of a snapshot.
	maxConfig = 4 << 20

	// maxLayers bounds the layers of a snapshot: head, edge, spine, frontier.
	maxLayers = 2 + MaxRecords/TileWidth*tlog.HashSize/ChunkSize + MaxEarlier*TileSize/ChunkSize
)
