package sumdb

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
)

// Media types of a tile index.
const (
	ArtifactTypeTileIndex  = "application/vnd.modferry.sumdb.tileindex.v1"
	MediaTypeTileConfig    = "application/vnd.modferry.sumdb.tileindex.config.v1+json"
	MediaTypeTileIndexList = "application/vnd.modferry.sumdb.tileindex.list.v1"
)

// MaxTileIndex bounds the list of a tile index, in bytes: some 500,000 tiles.
const MaxTileIndex = 32 << 20

// A TileIndex says for complete level-0 tiles of a log which module version in a store has them among its evidence. It lies
// beside the snapshots, in a repository of the log's name, so that whoever is asked for a tile finds it without having seen
// the version: each signer has one, as of the index of modules.
//
//	manifest  artifactType ArtifactTypeTileIndex
//	config    {}
//	layer     a line for each tile, in their order: index of the tile, module path and version, with spaces between them
//
// Nobody has to believe it: a tile is verified by the snapshot, and the version it comes from as every other one.
type TileIndex struct {
	list []byte
}

// TileIndexTag returns the tag of the tile index that is signed with a key, by whose ID it is known; "" is no key.
func TileIndexTag(keyID string) string { return tileIndexPrefix + artifact.IndexTag(keyID) }

const tileIndexPrefix = "tiles-"

// IsTileIndexTag reports whether TileIndexTag returns such a tag.
func IsTileIndexTag(tag string) bool {
	rest, ok := strings.CutPrefix(tag, tileIndexPrefix)
	return ok && artifact.IsIndexTag(rest)
}

// OwnTileIndexTag returns the [TileIndexTag] of the signer whose tile index has a tag, as [artifact.OwnIndexTag] does.
func OwnTileIndexTag(tag string) string {
	return tileIndexPrefix + artifact.OwnIndexTag(strings.TrimPrefix(tag, tileIndexPrefix))
}

// NewTileIndex returns the index of these tiles.
func NewTileIndex(tiles map[int64]module.Version) TileIndex {
	var b bytes.Buffer
	for _, n := range slices.Sorted(maps.Keys(tiles)) {
		fmt.Fprintf(&b, "%d %s %s\n", n, tiles[n].Path, tiles[n].Version)
	}
	return TileIndex{b.Bytes()}
}

// Image packages the index. The same index gives the same image. The error matches [artifact.ErrLimit].
func (x TileIndex) Image() (*artifact.Image, error) {
	if err := artifact.CheckSize("tile index", int64(len(x.list)), MaxTileIndex); err != nil {
		return nil, err
	}
	return artifact.NewImage(ArtifactTypeTileIndex, make(map[string]string),
		artifact.NewBlob(MediaTypeTileConfig, []byte("{}")), artifact.NewBlob(MediaTypeTileIndexList, x.list))
}

// ParseTileIndex returns the layer of a tile index; what it carries inside the manifest was checked. The error matches
// [artifact.ErrCorrupt] or [artifact.ErrLimit].
func ParseTileIndex(manifest []byte) (list ocispec.Descriptor, err error) {
	im, err := artifact.ParseImage(manifest, ArtifactTypeTileIndex, artifact.ErrCorrupt)
	if err != nil {
		return list, err
	}
	list = im.Layers[0]
	if im.Config.MediaType != MediaTypeTileConfig || len(im.Layers) != 1 || list.MediaType != MediaTypeTileIndexList {
		return list, corrupt("tile index: config of type %q, %d layers, the first of type %q", im.Config.MediaType, len(im.Layers), list.MediaType)
	}
	if _, _, err := artifact.Inlined(list); err != nil {
		return list, err
	}
	return list, artifact.CheckSize("tile index", list.Size, MaxTileIndex)
}

// ReadTileIndex reads the list of a tile index. The error matches [artifact.ErrCorrupt].
func ReadTileIndex(list []byte) (TileIndex, error) {
	last := int64(-1)
	for line := range bytes.Lines(list) {
		n, _, err := parseTileLine(line)
		if err != nil || n <= last {
			return TileIndex{}, corrupt("tile index: the line %.100q after tile %d", line, last)
		}
		last = n
	}
	return TileIndex{list}, nil
}

func parseTileLine(line []byte) (n int64, m module.Version, err error) {
	words := strings.Split(string(line), " ")
	version, complete := strings.CutSuffix(words[len(words)-1], "\n")
	if len(words) != 3 || !complete {
		return 0, m, artifact.ErrCorrupt
	}
	n, err = strconv.ParseInt(words[0], 10, 64)
	m = module.Version{Path: words[1], Version: version}
	if err == nil && (n < 0 || strconv.FormatInt(n, 10) != words[0]) {
		err = artifact.ErrCorrupt
	}
	if err == nil {
		err = goproxy.Check(m)
	}
	return n, m, err
}

// Find returns the module version that has a tile.
func (x TileIndex) Find(n int64) (m module.Version, ok bool) {
	// The first line that ends behind each offset; their tiles ascend with it.
	at := sort.Search(len(x.list), func(i int) bool {
		found, _, err := parseTileLine(x.line(i))
		return err != nil || found >= n
	})
	if at == len(x.list) {
		return m, false
	}
	found, m, err := parseTileLine(x.line(at))
	return m, err == nil && found == n
}

// line returns the line with the byte at an offset.
func (x TileIndex) line(at int) []byte {
	start := bytes.LastIndexByte(x.list[:at], '\n') + 1
	end := at + bytes.IndexByte(x.list[at:], '\n') + 1
	return x.list[start:end]
}

// Tiles returns the tiles of the index.
func (x TileIndex) Tiles() map[int64]module.Version {
	tiles := make(map[int64]module.Version)
	for line := range bytes.Lines(x.list) {
		if n, m, err := parseTileLine(line); err == nil { // as ReadTileIndex found
			tiles[n] = m
		}
	}
	return tiles
}
