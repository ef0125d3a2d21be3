package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
)

// ChecksumOptions configures [NewChecksums].
type ChecksumOptions struct {
	// GOSUMDB names the database as the go command's variable of that name: a known
	// name or a verifier key, and optionally the URL to ask. "" is
	// sum.golang.org.
	GOSUMDB string

	// NoSumDB are patterns of modules whose names are never sent to the database: those
	// of GONOSUMDB, and other private ones.
	NoSumDB string

	// Upstream says which proxies may know the database too. As with the go
	// command, they are asked first, and the database itself only if none of
	// them carries it.
	Upstream *Upstream

	// CacheDir keeps what the database said, and the newest of its states
	// seen, for later runs. "" = in memory only.
	CacheDir string
}

// Checksums looks sums up in a checksum database, a transparent log of the go.sum
// lines of every public module version. It is safe for concurrent use. A nil
// *Checksums knows no sums.
type Checksums struct {
	name    string
	noSumDB string
	client  *sumdb.Client
	ops     *sumdbOps
}

const defaultSumDB = "sum.golang.org"

// knownSumDB returns the key of a database that the go command knows by name.
func knownSumDB(name string) (key string, ok bool) {
	if name == defaultSumDB {
		return "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", true
	}
	return "", false
}

// NewChecksums returns the database that o names, or nil if GOSUMDB is "off". It
// makes no request. ctx ends the requests made later.
func NewChecksums(ctx context.Context, o ChecksumOptions) (*Checksums, error) {
	key, base, err := parseGOSUMDB(o.GOSUMDB)
	if err != nil {
		return nil, fmt.Errorf("GOSUMDB: %w", err)
	}
	if key == "" {
		return nil, nil
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("GOSUMDB: %q is neither a known database nor a verifier key: %w", key, err)
	}
	name := verifier.Name()
	direct, err := url.Parse("https://" + name)
	if err != nil || direct.Host == "" || strings.HasSuffix(name, "/") || direct.String() != "https://"+name {
		return nil, fmt.Errorf("GOSUMDB: %q is not the name of a database (host or host/path)", name)
	}
	ops := &sumdbOps{ctx: ctx, up: o.Upstream, name: name, key: key, cache: cacheDir(o.CacheDir), failed: make(map[string]error)}
	if base == "" {
		base = direct.String()
	} else {
		ops.explicit = true
	}
	e, err := o.Upstream.parseURL(base)
	if err != nil {
		return nil, fmt.Errorf("GOSUMDB: %w", err)
	}
	ops.own = e
	return &Checksums{name: name, noSumDB: o.NoSumDB, client: sumdb.NewClient(ops), ops: ops}, nil
}

// parseGOSUMDB splits a value of GOSUMDB: a name or key, and perhaps a URL. The
// key is empty if the value is "off".
func parseGOSUMDB(value string) (key, base string, err error) {
	f := strings.Fields(value)
	switch {
	case len(f) == 0:
		f = []string{defaultSumDB}
	case len(f) > 2:
		return "", "", errors.New(`more than a name or key and a URL`)
	case value == "off":
		return "", "", nil
	case value == "sum.golang.google.cn": // the same database under a name that is reachable in China
		f = []string{defaultSumDB, "https://sum.golang.google.cn"}
	}
	key = f[0]
	if known, ok := knownSumDB(key); ok {
		key = known
	}
	if len(f) == 2 {
		base = f[1]
	}
	return key, base, nil
}

// Name returns the database's name, and "" for a nil c.
func (c *Checksums) Name() string {
	if c == nil {
		return ""
	}
	return c.name
}

// Check compares sums with those in the database; zipSum is empty for a mod-only
// version. It reports whether the database vouches for them. It does not for a private
// module, which it is not asked about; then pinned is false.
//
// The error is a [*ChecksumError] if a sum differs. It is ErrChecksum too when
// the database contradicts itself, and something else when it has no answer.
func (c *Checksums) Check(ctx context.Context, m module.Version, zipSum, modSum string) (pinned bool, err error) {
	r, err := c.lookup(ctx, m)
	if r == nil || err != nil {
		return false, err
	}
	return true, r.check(m, zipSum, modSum, "the checksum database "+c.name)
}

// sums are the h1 sums of a version.
type sums struct{ zip, mod string }

// lookup returns what the database says about a version: nil if it must not be asked.
func (c *Checksums) lookup(ctx context.Context, m module.Version) (*sums, error) {
	if c == nil || module.MatchPrefixPatterns(c.noSumDB, m.Path) {
		return nil, nil
	}
	zip, err := c.line(ctx, m.Path, m.Version)
	if err != nil {
		return nil, err
	}
	mod, err := c.line(ctx, m.Path, m.Version+"/go.mod") // of the same record: no second request
	if err != nil {
		return nil, err
	}
	return &sums{zip, mod}, nil
}

func (c *Checksums) line(ctx context.Context, path, version string) (string, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	lines, err := c.client.Lookup(path, version)
	if err != nil {
		return "", c.explain(module.Version{Path: path, Version: strings.TrimSuffix(version, "/go.mod")}, err)
	}
	for _, line := range lines {
		if sum, ok := strings.CutPrefix(line, path+" "+version+" "); ok && strings.HasPrefix(sum, "h1:") {
			return sum, nil
		}
	}
	return "", fmt.Errorf("checking %s@%s: the checksum database %s has no h1 sum for it", path, version, c.name)
}

// explain gives back the types that errors lose in the client of the database.
func (c *Checksums) explain(m module.Version, err error) error {
	if said := c.ops.securityMessage(); said != "" {
		return fmt.Errorf("SECURITY: checking %s: the checksum database %s contradicts itself; do not trust anything from this network: %w: %s",
			m, c.name, ErrChecksum, firstLines([]byte(said)))
	}
	path, version := m.Path, m.Version
	if escaped, bad := module.EscapePath(path); bad == nil {
		path = escaped
	}
	if escaped, bad := module.EscapeVersion(version); bad == nil {
		version = escaped
	}
	if cause := c.ops.failure("/lookup/" + path + "@" + version); cause != nil {
		err = cause
	}
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("checking %s: the checksum database %s does not know it (%w); if the module is private, say so with --private or GONOSUMDB",
			m, c.name, err)
	}
	return fmt.Errorf("checking %s against the checksum database %s: %w", m, c.name, err)
}

// check compares sums that were computed with those that somebody vouches for.
// Sums that are empty are not compared.
func (want *sums) check(m module.Version, zipSum, modSum, authority string) error {
	if zipSum != "" && want.zip != "" && zipSum != want.zip {
		return &ChecksumError{Module: m, File: "zip", Got: zipSum, Want: want.zip, Authority: authority}
	}
	if modSum != "" && want.mod != "" && modSum != want.mod {
		return &ChecksumError{Module: m, File: "go.mod", Got: modSum, Want: want.mod, Authority: authority}
	}
	return nil
}

// sumdbOps is what the client of the database needs of the world.
type sumdbOps struct {
	ctx      context.Context // the client has none to give
	up       *Upstream
	name     string
	key      string
	own      entry // the database's own address
	explicit bool  // the user gave it
	cache    cacheDir

	base     sync.Once
	from     entry  // where it is asked
	prefix   string // of the names there
	fromFail error

	mu       sync.Mutex
	latest   []byte
	failed   map[string]error // by path, because the client flattens errors
	security string
}
