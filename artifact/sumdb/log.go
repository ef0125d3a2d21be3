package sumdb

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modferry/modferry/artifact"
)

// DefaultLog is the name of the log that the go command uses by default.
const DefaultLog = "sum.golang.org"

// The go command has this key built in, and this alias for the log's name.
const (
	defaultKey   = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
	defaultAlias = "sum.golang.google.cn"
)

// logName matches the names that ParseLog accepts.
var logName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-][a-z0-9]+)*)*$`)

// A Log is a checksum database, known by its verifier key. It is immutable.
type Log struct {
	key      string
	verifier note.Verifier
}

// ParseLog returns the log with the given verifier key, which is the name of a log whose key is known here
// ([DefaultLog]) or a key as golang.org/x/mod/sumdb/note encodes it, "name+hash+key".
//
// The grammar of names is stricter than the go command's, for a name becomes part of repository names and file names:
//
//	name    = element { "/" element }
//	element = alnum { alnum | separator alnum }     alnum = a-z 0-9, separator = . _ -
func ParseLog(key string) (*Log, error) {
	key = strings.TrimSpace(key)
	if strings.ContainsAny(key, "@:") { // a URL, which may have a password in it
		return nil, fmt.Errorf("a checksum database is named %s or by its verifier key (name+hash+key), not by its URL", DefaultLog)
	}
	if key == DefaultLog {
		key = defaultKey
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("checksum database %q is neither %s nor a verifier key (name+hash+key): %w", key, DefaultLog, err)
	}
	if !logName.MatchString(v.Name()) {
		return nil, fmt.Errorf("checksum database %q: the name must be host[/path], in lower case, without a port", v.Name())
	}
	return &Log{key: key, verifier: v}, nil
}

// ParseGOSUMDB returns the log that a value of GOSUMDB stands for, and the URL
// it is to be reached at if the value has one; rawURL is "" if the log is to be
// reached through the GOPROXY list, or else at its name. The error is [ErrOff] for "off".
//
//	value = "off" | log [ space url ]
func ParseGOSUMDB(value string) (log *Log, rawURL string, err error) {
	f := strings.Fields(value)
	switch {
	case len(f) == 0:
		return nil, "", fmt.Errorf("GOSUMDB is empty: set it to %s, or to a verifier key", DefaultLog)
	case len(f) > 2:
		return nil, "", errors.New("GOSUMDB has more than a key and a URL")
	case len(f) == 1 && f[0] == "off":
		return nil, "", ErrOff
	case len(f) == 1 && f[0] == defaultAlias:
		f = []string{DefaultLog, "https://" + defaultAlias}
	}
	log, err = ParseLog(f[0])
	if err != nil {
		return nil, "", fmt.Errorf("GOSUMDB: %w", err)
	}
	if len(f) == 2 {
		if _, err := url.Parse(f[1]); err != nil {
			return nil, "", errors.New("GOSUMDB: what follows the key is not a URL") // err may have half of a password in it
		}
		rawURL = f[1]
	}
	return log, rawURL, nil
}

// Name returns the name of the log, host[/path].
func (l *Log) Name() string { return l.verifier.Name() }

// Key returns the verifier key, as GOSUMDB takes it.
func (l *Log) Key() string { return l.key }

// Setting returns the shortest GOSUMDB that means the log and has no address: the name of one whose key the go command
// knows, else the key.
func (l *Log) Setting() string {
	if known, err := ParseLog(l.Name()); err == nil && known.key == l.key {
		return l.Name()
	}
	return l.key
}

// Repository returns the repository of the log's snapshots, below the namespace
// of a store. It is not the repository of any module.
func (l *Log) Repository() string { return RepositoryPrefix + l.Name() }

// RepositoryPrefix begins the names of the repositories of snapshots. No module has one: the first element of a path
// has a dot.
const RepositoryPrefix = "sumdb/"

// TileEntry returns the name of the full level-0 tile n in the meta layer of an
// artifact. It is also the URL path of that tile on a module proxy.
func (l *Log) TileEntry(n int64) string {
	return "sumdb/" + l.Name() + "/" + fullTile(n).Path()
}

// fullTile returns the coordinates of the full level-0 tile n.
func fullTile(n int64) tlog.Tile {
	return tlog.Tile{H: TileHeight, L: 0, N: n, W: TileWidth}
}

// A Head is a signed tree head: the number of records, and the hash over all of
// them. Heads come from [Log.OpenHead]; their signature was checked there.
type Head struct {
	tlog.Tree
	Note []byte // as signed; not to be modified
}

// OpenHead checks the signed note of a tree head: what the log answers to "latest", what follows the record in
// answers to "lookup", and what the go command keeps in GOPATH/pkg/sumdb/<log>/latest (where an empty file stands for
// no head). Errors match [ErrSignature], [artifact.ErrLimit] or [artifact.ErrCorrupt].
func (l *Log) OpenHead(msg []byte) (Head, error) {
	if err := artifact.CheckSize("tree head of "+l.Name(), int64(len(msg)), MaxNote); err != nil {
		return Head{}, err
	}
	n, err := note.Open(msg, note.VerifierList(l.verifier))
	if err != nil {
		return Head{}, fmt.Errorf("tree head of %s: %w: %w", l.Name(), ErrSignature, err)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return Head{}, corrupt("tree head of %s: %v", l.Name(), err)
	}
	if tree.N > MaxRecords {
		return Head{}, fmt.Errorf("%s has %d records, at most %d are accepted: %w", l.Name(), tree.N, int64(MaxRecords), artifact.ErrLimit)
	}
	return Head{Tree: tree, Note: bytes.Clone(msg)}, nil
}
