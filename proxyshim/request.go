package proxyshim

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/registry"
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
type kind = goproxy.Kind

const (
	kindRoot      kind = "root"
	kindPage      kind = "page"
	kindSumDB     kind = "checksum database" // any; parseSumDB makes one of the next four of it
	kindSupported kind = "supported"
	kindHead      kind = "tree head"
	kindLookup    kind = "lookup"
	kindTile      kind = "tile"
	kindList           = goproxy.List
	kindLatest         = goproxy.Latest
	kindInfo           = goproxy.Info
	kindMod            = goproxy.Mod
	kindZip            = goproxy.Zip
	kindRevision  kind = "revision"
)

// request is a parsed request path.
type request struct {
	kind   kind
	module module.Version // Version only for kindInfo, kindMod, kindZip and kindLookup
	name   string         // a revision, the name of a page or of the log of kindSupported, or what follows "/sumdb/"
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
	if name, ok := strings.CutPrefix(path, "/sumdb/"); ok && strings.HasSuffix(name, "/supported") {
		return request{kind: kindSupported, name: strings.TrimSuffix(name, "/supported")}, nil // whatever that is
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
	if !strings.Contains(path, "/@") {
		return request{}, errNoModule
	}
	return parseFile(path)
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
		if !hasShortElements(strings.Replace(rest, "@", "/", 1)) {
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

// parseFile parses the name of a file of the GOPROXY protocol.
func parseFile(name string) (request, error) {
	f, err := goproxy.Parse(name)
	switch {
	case err != nil:
		return request{}, fmt.Errorf("%w: %w", errSyntax, err)
	case !hasShortElements(name):
		return request{}, fmt.Errorf("%w: path element or version too long", errSyntax)
	case f.Kind == goproxy.List, f.Kind == goproxy.Latest, f.HasVersion():
		return request{kind: f.Kind, module: f.Version}, nil
	case f.Kind == goproxy.Info:
		return request{kind: kindRevision, module: module.Version{Path: f.Path}, name: f.Version.Version}, nil
	}
	return request{}, fmt.Errorf("%w: %q is no canonical version of %s", errSyntax, f.Version.Version, f.Path)
}

// hasShortElements reports whether every element of a file's name suits a file system.
func hasShortElements(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > maxElement {
			return false
		}
	}
	return true
}

// eventKinds are the words for what is asked for.
var eventKinds = map[kind]string{
	kindRoot: "root", kindPage: "page", kindList: "list", kindLatest: "latest", kindInfo: "info", kindMod: "mod", kindZip: "zip", kindRevision: "revision",
	kindSumDB: "sumdb", kindSupported: "supported", kindHead: "head", kindLookup: "lookup", kindTile: "tile",
}

// asked records what was asked for, which store has to have it, and by which rule it counts.
func asked(e *events.Event, q request, stores *registry.Router, policy func() sign.Verifier) {
	if e == nil {
		return
	}
	e.Kind, e.Module = eventKinds[q.kind], q.module
	if store, err := stores.For(q.module.Path); err == nil && q.module.Path != "" {
		e.Store = store.String()
	}
	if q.module.Path != "" {
		e.Rule = policy().Rule(q.module.Path).Name
	}
	switch q.kind {
	case kindLatest:
		e.Query = "latest"
	case kindRevision:
		e.Query = q.name
	}
}
