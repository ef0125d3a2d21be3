package proxyshim

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/sumdb"
)

// What may be asked for, as https://go.dev/ref/mod#goproxy-protocol has it:
//
//	request  = "/" | "/-/" page | "/sumdb/" any "/supported"
//	         | "/sumdb/" log "/" ( "latest" | "lookup/" path "@" version | "tile/" tile )
//	         | "/" path "/@latest" | "/" path "/@v/list" | "/" path "/@v/" file
//	file     = version ( ".info" | ".mod" | ".zip" ) | revision ".info"
//	path     = a module path as module.EscapePath writes it
//	version  = a canonical version that suits the path, as module.EscapeVersion writes it
//	revision = anything else module.EscapeVersion can write
//	log      = the name of the checksum database that is served
//	tile     = as tlog.ParseTilePath has it
//
// No module path begins with "-" or with an element that has no dot, so the
// alternatives of the first line collide with nothing. A slash is never escaped.
type kind int

const (
	kindRoot kind = iota
	kindPage
	kindSumDB // any checksum database; parseSumDB makes one of the next four of it
	kindSupported
	kindHead
	kindLookup
	kindTile
	kindList
	kindLatest
	kindInfo
	kindMod
	kindZip
	kindRevision
)

// request is a parsed request path.
type request struct {
	kind   kind
	module module.Version // Version only for kindInfo, kindMod, kindZip and kindLookup
	name   string         // a revision, the name of a page, or what follows "/sumdb/"
	tile   tlog.Tile
}

const (
	maxPath    = 1024 // bytes of a request path, unescaped; real ones stay below 250
	maxElement = 200  // bytes of a path element, so that every file name fits a file system
)

// Why a path is none of the grammar.
var (
	errSyntax   = errors.New("malformed request")
	errNoModule = errors.New("not a module request")
	errOtherLog = errors.New("another checksum database")
)

// parse parses the path of a request. Its errors are errSyntax, for a module
// request that breaks the rules, and errNoModule for anything else.
func parse(u *url.URL) (request, error) {
	path := u.Path
	if strings.HasPrefix(path, "/sumdb/") && strings.HasSuffix(path, "/supported") {
		return request{kind: kindSupported}, nil // whatever is between them
	}
	if len(path) > maxPath || hasEscapedSlash(u.RawPath) {
		return request{}, fmt.Errorf("%w: path too long or with an escaped slash", errSyntax)
	}
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return request{}, errNoModule
	}
	if path == "" {
		return request{kind: kindRoot}, nil
	}
	if page, ok := strings.CutPrefix(path, "-/"); ok {
		return request{kind: kindPage, name: page}, nil
	}
	if name, ok := strings.CutPrefix(path, "sumdb/"); ok {
		return request{kind: kindSumDB, name: name}, nil
	}
	escaped, rest, ok := strings.Cut(path, "/@")
	if !ok {
		return request{}, errNoModule
	}
	return parseModule(escaped, rest)
}

// parseSumDB parses what follows "/sumdb/", if it is about the log of that name.
// Its errors are errSyntax and errOtherLog.
func parseSumDB(name, log string) (request, error) {
	rest, ok := strings.CutPrefix(name, log+"/")
	if !ok {
		return request{}, errOtherLog
	}
	switch {
	case rest == "latest":
		return request{kind: kindHead}, nil
	case strings.HasPrefix(rest, "lookup/"):
		m, err := sumdb.ParseLookupPath(rest)
		if err != nil {
			return request{}, fmt.Errorf("%w: %w", errSyntax, err)
		}
		if !fitsFiles(m) {
			return request{}, fmt.Errorf("%w: path element or version too long", errSyntax)
		}
		return request{kind: kindLookup, module: m}, nil
	default:
		t, err := tlog.ParseTilePath(rest)
		if err != nil {
			return request{}, fmt.Errorf("%w: neither latest, lookup nor tile", errSyntax)
		}
		return request{kind: kindTile, tile: t}, nil
	}
}

func hasEscapedSlash(raw string) bool {
	return raw != "" && (strings.Contains(raw, "%2F") || strings.Contains(raw, "%2f"))
}

func parseModule(escaped, rest string) (request, error) {
	path, err := module.UnescapePath(escaped)
	if err != nil {
		return request{}, fmt.Errorf("%w: %w", errSyntax, err)
	}
	for element := range strings.SplitSeq(escaped, "/") {
		if len(element) > maxElement {
			return request{}, fmt.Errorf("%w: path element too long", errSyntax)
		}
	}
	q := request{module: module.Version{Path: path}}
	name, isFile := strings.CutPrefix(rest, "v/")
	switch {
	case rest == "latest":
		q.kind = kindLatest
	case rest == "v/list":
		q.kind = kindList
	case isFile:
		return parseFile(q, name)
	default:
		return request{}, fmt.Errorf("%w: neither @latest nor @v", errSyntax)
	}
	return q, nil
}

// parseFile parses what follows "/@v/".
func parseFile(q request, name string) (request, error) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || len(name) > maxElement {
		return request{}, fmt.Errorf("%w: no .info, .mod or .zip file", errSyntax)
	}
	switch name[dot:] {
	case ".info":
		q.kind = kindInfo
	case ".mod":
		q.kind = kindMod
	case ".zip":
		q.kind = kindZip
	default:
		return request{}, fmt.Errorf("%w: no .info, .mod or .zip file", errSyntax)
	}
	version, err := module.UnescapeVersion(name[:dot])
	if err != nil {
		return request{}, fmt.Errorf("%w: %w", errSyntax, err)
	}
	if isVersion(q.module.Path, version) {
		q.module.Version = version
		return q, nil
	}
	if q.kind == kindInfo {
		return request{kind: kindRevision, module: q.module, name: version}, nil
	}
	return request{}, fmt.Errorf("%w: %q is no canonical version of %s", errSyntax, version, q.module.Path)
}

// fitsFiles reports whether every element of m's file name suits a file system.
func fitsFiles(m module.Version) bool {
	name, err := fileName(m)
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > maxElement {
			return false
		}
	}
	return err == nil
}

// isVersion is module.Check and whether version is canonical, for a path that is
// known to be valid.
func isVersion(path, version string) bool {
	_, major, _ := module.SplitPathVersion(path)
	return version != "" && version == module.CanonicalVersion(version) && module.CheckPathMajor(version, major) == nil
}

// fileName returns where the cache has the files of m: below its directory, with
// slashes, without extension.
func fileName(m module.Version) (string, error) {
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return "", err
	}
	return path + "/@v/" + version, nil
}
