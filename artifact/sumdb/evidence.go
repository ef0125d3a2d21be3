package sumdb

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// Evidence is what is kept with a module version to prove that the log has it.
// It depends on no tree head, so independent mirrors keep the same bytes.
type Evidence struct {
	Record Record
	Tile   []byte // the full level-0 tile with the record's hash, or nil if it was not complete yet
}

// TileIndex returns the index of the level-0 tile with the record's hash.
func (e Evidence) TileIndex() int64 { return e.Record.ID >> TileHeight }

// ParseEvidence makes evidence of the files of a module version: its record, and its tiles under the names
// [Log.TileEntry] gives. Other tiles are ignored. It says nothing about truth; [Snapshot.Verify] does. Errors match
// [artifact.ErrCorrupt] or [artifact.ErrLimit].
func ParseEvidence(log *Log, record []byte, tiles map[string][]byte) (Evidence, error) {
	r, err := ParseRecord(record)
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Record: r}
	name := log.TileEntry(e.TileIndex())
	if tile, ok := tiles[name]; ok {
		if len(tile) != TileSize {
			return Evidence{}, corrupt("%s: %d bytes instead of %d", name, len(tile), TileSize)
		}
		e.Tile = tile
	}
	return e, nil
}

// Lookup returns the answer to a lookup: the record, followed by the snapshot's head, whatever head the record came
// with. It does not verify e. The error matches [ErrBeyondHead] if the record is newer than the head.
func (s *Snapshot) Lookup(e Evidence) ([]byte, error) {
	if err := s.coversRecord(e.Record); err != nil {
		return nil, err
	}
	record, err := e.Record.Format()
	if err != nil {
		return nil, err
	}
	return append(record, s.head.Note...), nil
}

// Verify checks that the log has a record of m with these sums, by the snapshot's signed head: e's tile hashes to the
// spine's hash, the record's hash is in the tile, the record is m's, and both sums are the record's. zipSum may be ""
// for a module version of which only the go.mod is there.
//
// Errors match [ErrBeyondHead], [ErrNoTile] if neither e nor the snapshot has the
// tile, [ErrMismatch], [artifact.ErrIdentity] or [artifact.ErrCorrupt].
func (s *Snapshot) Verify(m module.Version, zipSum, modSum string, e Evidence) error {
	if err := s.verifyRecord(e); err != nil {
		return fmt.Errorf("%s: %w", m, err)
	}
	return e.Record.Check(m, zipSum, modSum)
}

// verifyRecord checks that e's record is in the log, whatever module it is about.
func (s *Snapshot) verifyRecord(e Evidence) error {
	r := e.Record
	if err := s.coversRecord(r); err != nil {
		return err
	}
	tile := e.Tile
	if tile != nil {
		if err := s.CheckTile(e.TileIndex(), tile); err != nil {
			return err
		}
	} else {
		var ok bool
		if tile, ok = s.level0(e.TileIndex()); !ok {
			return tileError(fullTile(e.TileIndex()), ErrNoTile)
		}
	}
	hash := tlog.RecordHash(r.Text)
	if !bytes.Equal(hash[:], tile[r.ID%TileWidth*tlog.HashSize:][:tlog.HashSize]) {
		return corrupt("checksum database record %d is not the one in the signed log of %s", r.ID, s.log.Name())
	}
	return nil
}

func (s *Snapshot) coversRecord(r Record) error {
	if r.ID >= s.head.N {
		return fmt.Errorf("checksum database record %d: the snapshot of %s ends before record %d: %w", r.ID, s.log.Name(), s.head.N, ErrBeyondHead)
	}
	if r.ID < 0 {
		return corrupt("checksum database record: ID %d is out of range", r.ID)
	}
	return nil
}

// Capture returns the evidence for m, given a log's answer to the lookup of m and a function that fetches the log's
// tiles; at most one is fetched, and none if the snapshot holds it. The head in the answer is ignored: the snapshot's
// counts.
//
// The evidence was verified, except for the sums, which [Record.Check] compares.
// Errors are those of [Snapshot.Verify], but never ErrNoTile; on [ErrBeyondHead] the
// log has to be captured anew. Errors of fetch are wrapped.
func (s *Snapshot) Capture(ctx context.Context, m module.Version, lookup []byte, fetch TileFunc) (Evidence, error) {
	r, _, err := cutRecord(lookup)
	if err != nil {
		return Evidence{}, fmt.Errorf("%s: %w", m, err)
	}
	e := Evidence{Record: r}
	if _, _, err := r.Sums(m); err != nil {
		return Evidence{}, err
	}
	if err := s.coversRecord(r); err != nil {
		return Evidence{}, fmt.Errorf("%s: %w", m, err)
	}
	if n := e.TileIndex(); n < s.fullTiles() {
		var held bool
		if e.Tile, held = s.level0(n); !held {
			if e.Tile, err = fetchTile(ctx, fetch, fullTile(n)); err != nil {
				return Evidence{}, fmt.Errorf("%s: %w", m, err)
			}
		}
	}
	if err := s.verifyRecord(e); err != nil {
		return Evidence{}, fmt.Errorf("%s: %w", m, err)
	}
	return e, nil
}
