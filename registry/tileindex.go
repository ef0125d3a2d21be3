package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
)

// TileIndexes returns the tile indexes of a log that are in a store, one of each signer whose signature v accepts. It takes
// a listing and two requests for each. With an error, that says what is wrong with some, the others are returned.
func (s *Store) TileIndexes(ctx context.Context, log *sumdb.Log, v sign.Verifier) (list []sumdb.TileIndex, err error) {
	var faults []error
	read := 0
	for tag, err := range s.Tags(ctx, log.Repository()) {
		if err != nil {
			return list, fmt.Errorf("tile index: %w", err)
		}
		if !sumdb.IsTileIndexTag(tag) {
			continue
		}
		if read++; read > maxIndexes {
			faults = append(faults, fmt.Errorf("tile index: %w: %s has more than %d", artifact.ErrLimit, s.Reference(log.Repository(), ""), maxIndexes))
			break
		}
		x, _, err := s.ReadTileIndex(ctx, log, tag, v)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		list = append(list, x)
	}
	return list, errors.Join(faults...)
}

// ReadTileIndex returns the tile index of a log with a tag, if v accepts its signatures.
func (s *Store) ReadTileIndex(ctx context.Context, log *sumdb.Log, tag string, v sign.Verifier) (x sumdb.TileIndex, manifest digest.Digest, err error) {
	repo := log.Repository()
	d, raw, err := s.Manifest(ctx, repo, tag)
	if err != nil {
		return x, "", fmt.Errorf("tile index: %w", err)
	}
	list, err := sumdb.ParseTileIndex(raw)
	if err == nil {
		_, err = s.VerifyManifest(ctx, repo, SnapshotSubject(log, d.Digest), v)
	}
	data := list.Data
	if err == nil && data == nil {
		data, err = s.readPart(ctx, repo, list)
	}
	if err == nil {
		x, err = sumdb.ReadTileIndex(data)
	}
	if err != nil {
		return x, d.Digest, fmt.Errorf("tile index %s: %w", s.Reference(repo, tag), err)
	}
	return x, d.Digest, nil
}

// PublishTileIndex adds complete level-0 tiles, each with a version in the store that has it, to the tile index of signer
// (nil = the one that nobody signs). If it has them, it takes two requests. What somebody else adds at the same moment may
// get lost: a shim then knows a tile only once it has seen a version that has it, and mirroring the version again mends it.
func (s *Store) PublishTileIndex(ctx context.Context, log *sumdb.Log, tiles map[int64]module.Version, signer *sign.Signer) error {
	if len(tiles) == 0 {
		return nil
	}
	tag, v := sumdb.TileIndexTag(""), sign.Verifier(sign.SkipVerify{})
	if signer != nil {
		tag, v = sumdb.TileIndexTag(signer.KeyID()), signer.Verifier()
	}
	have, _, err := s.ReadTileIndex(ctx, log, tag, v)
	if unanswered(ctx, err) {
		return fmt.Errorf("publishing the tile index of %s: %w", log.Name(), err)
	}
	all := have.Tiles() // without one that is of use, one is begun
	known := len(all)
	for n, m := range tiles {
		if _, ok := all[n]; !ok {
			all[n] = m
		}
	}
	if len(all) == known {
		return nil
	}
	repo := log.Repository()
	image, err := sumdb.NewTileIndex(all).Image()
	if err == nil {
		err = s.pushImage(ctx, repo, image, "")
	}
	if err == nil {
		err = s.ensureSigned(ctx, repo, SnapshotSubject(log, image.Descriptor.Digest).Module, image.Descriptor, signing{signer: signer})
	}
	if err == nil {
		err = s.PushManifest(ctx, repo, image.Descriptor, image.Raw, tag)
	}
	if err != nil {
		return fmt.Errorf("publishing the tile index of %s: %w", log.Name(), err)
	}
	return nil
}

// ImportTileIndex stores the tile index of another signer. As nobody here can sign one with the tiles of both, it replaces
// only one that has no tile besides; else it gets a tag of its own, for [Store.TileIndexes] reads all of them.
func (s *Store) ImportTileIndex(ctx context.Context, x Import, log *sumdb.Log, v sign.Verifier, index sumdb.TileIndex) (Outcome, error) {
	tag, known, err := s.tileIndexTag(ctx, x, log, v, index.Tiles())
	if err != nil {
		return 0, x.fail(s, err)
	}
	if known {
		return Exists, nil
	}
	x.Tag = tag
	return s.importTag(ctx, x, func([]byte) (older bool, err error) { return true, nil })
}

// tileIndexTag returns the tag for an index of tiles, and whether those of its signer have them all already.
func (s *Store) tileIndexTag(ctx context.Context, x Import, log *sumdb.Log, v sign.Verifier, tiles map[int64]module.Version) (tag string, known bool, err error) {
	own := sumdb.OwnTileIndexTag(x.Tag)
	all := make(map[int64]module.Version)
	taken := false
	for there, err := range s.Tags(ctx, log.Repository()) {
		if IsAbsent(err) {
			break
		}
		if err != nil {
			return "", false, err
		}
		if !sumdb.IsTileIndexTag(there) || sumdb.OwnTileIndexTag(there) != own {
			continue
		}
		have, _, err := s.ReadTileIndex(ctx, log, there, v)
		if unanswered(ctx, err) {
			return "", false, err
		}
		some := have.Tiles() // none of one that is of no use
		maps.Copy(all, some)
		taken = taken || there == own
		if hasAll(tiles, some) && (tag == "" || there == own) {
			tag = there
		}
	}
	switch {
	case !taken:
		tag = own
	case tag == "":
		tag = own + "-" + x.Image.Descriptor.Digest.Encoded()[:8]
	}
	return tag, hasAll(all, tiles), nil
}

// hasAll reports whether all tiles of some are among others.
func hasAll(tiles, some map[int64]module.Version) bool {
	for n := range some {
		if _, ok := tiles[n]; !ok {
			return false
		}
	}
	return true
}
