package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/redact"
)

// entry is one entry of a GOPROXY list. Exactly one of tree and direct is set; for "off" none is.
type entry struct {
	name     string // the URL without user and password, or "direct"
	tree     tree
	direct   *direct
	local    func() bool // whether tree is on this machine or a private network; set with tree
	fallBack bool        // ask the next entry after any error, not only when something does not exist
}

// tree is where the files of the protocol are: below an HTTP URL or in a directory. Names are slash-separated. The
// error for a file that does not exist is ErrNotFound.
type tree interface {
	open(ctx context.Context, name string) (io.ReadCloser, error)
}

// parseGOPROXY parses a GOPROXY list.
//
//	list  = entry { ( "," | "|" ) entry }
//	entry = "direct" | "off" | URL | host [ "/" path ] | absolute path
//
// Spaces around entries and empty entries are ignored, as is everything after "direct" or "off".
func (u *Upstream) parseGOPROXY(list string) ([]entry, error) {
	var entries []entry
	for n := 1; list != ""; n++ {
		one, rest, sep := list, "", byte(0)
		if i := strings.IndexAny(list, ",|"); i >= 0 {
			one, rest, sep = list[:i], list[i+1:], list[i]
		}
		list = rest
		switch one = strings.TrimSpace(one); one {
		case "":
			continue
		case "off":
			return append(entries, entry{name: one}), nil
		case "direct":
			return append(entries, u.direct), nil
		}
		e, err := u.parseURL(one)
		if errors.Is(err, errNotURL) {
			return nil, fmt.Errorf("entry %d of the list is %w", n, err)
		}
		if err != nil {
			return nil, err
		}
		e.fallBack = sep == '|'
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil, errors.New(`no upstream is known: set GOPROXY, in the environment or with "go env -w", to the URL of a module proxy`)
	}
	return entries, nil
}

// errNotURL says nothing of what it is about: where the parser is lost, anything may be the password.
var errNotURL = errors.New("not a URL, or one with a user or password that is not escaped: / is %2F there, @ is %40 and % is %25")

// parseURL parses the URL of a proxy. No error shows a password.
func (u *Upstream) parseURL(s string) (entry, error) {
	if filepath.IsAbs(s) {
		s = (&url.URL{Scheme: "file", Path: filepath.ToSlash(s)}).String()
	}
	if !strings.Contains(s, ":/") && strings.ContainsAny(s, ".:/") {
		s = "https://" + s
	}
	base, err := url.Parse(s)
	if err != nil || base.Scheme != "file" && strings.Contains(base.Path+base.RawQuery+base.Fragment, "@") { // of the user
		return entry{}, errNotURL
	}
	name := redact.Text(base.String())
	switch base.Scheme {
	case "file":
		if base.Host != "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
			return entry{}, fmt.Errorf("%s: a file URL is file:// and an absolute path", name)
		}
		return entry{name: name, tree: localTree(filepath.FromSlash(base.Path)), local: func() bool { return true }}, nil
	case "http", "https":
		if base.Host == "" {
			return entry{}, fmt.Errorf("%s: the URL lacks a host", name)
		}
		local := sync.OnceValue(func() bool { return isLocal(base.Hostname()) })
		if base.Scheme == "http" && base.User != nil && !isLoopback(base.Hostname()) {
			return entry{}, fmt.Errorf("%s: refusing to send a password over plain HTTP: use https", name)
		}
		return entry{name: name, tree: u.newHTTPTree(base), local: local}, nil
	}
	return entry{}, fmt.Errorf("%s: the scheme must be https, http or file", name)
}

// Prepend has a directory asked before everything else, for every module, private ones too; for what it lacks the
// others are asked. See [Tree] for the layouts it may have. Of several directories the first one is asked first. The
// error says that it is no directory. Prepend must not be called while u is used.
func (u *Upstream) Prepend(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("taking modules from a directory: %w", err)
	}
	u.first = append(u.first, entry{name: dir, tree: localTree(dir), local: func() bool { return true }})
	return root.Close()
}

// entriesFor returns the entries to ask for a module.
func (u *Upstream) entriesFor(path string) []entry {
	entries := slices.Clone(u.first)
	if module.MatchPrefixPatterns(u.o.NoProxy, path) {
		return append(entries, u.direct)
	}
	if !module.MatchPrefixPatterns(u.o.Private, path) {
		return append(entries, u.entries...)
	}
	for _, e := range u.entries {
		if e.tree != nil && e.local() {
			entries = append(entries, e)
		}
	}
	return append(entries, u.direct)
}

// IsPrivate reports whether a module must not become known to a public proxy.
func (u *Upstream) IsPrivate(path string) bool {
	return module.MatchPrefixPatterns(u.o.Private, path) || module.MatchPrefixPatterns(u.o.NoProxy, path)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// lookupTime is how long the name service may take to say whether a proxy is a local one.
const lookupTime = 5 * time.Second

// isLocal reports whether all addresses of host are on this machine or on a
// private network. A name that cannot be looked up is not local.
func isLocal(host string) bool {
	if isLoopback(host) {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return false
	}
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		a = a.Unmap()
		return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast()
	})
}

// fetch asks one entry for a file and hands its content to sink, again from the start when the answer broke off.
func (u *Upstream) fetch(ctx context.Context, e entry, w goproxy.File, sink func(io.Reader) error) error {
	switch {
	case e.direct != nil:
		f, err := e.direct.open(ctx, w)
		if err != nil {
			return err
		}
		defer f.Close()
		return sink(f)
	case e.tree != nil:
		name, err := w.Name()
		if err != nil {
			return &localError{err}
		}
		return u.fetchFrom(ctx, e.tree, name, sink)
	}
	return ErrOff
}

// fetchFrom is fetch for a file of a tree.
func (u *Upstream) fetchFrom(ctx context.Context, t tree, name string, sink func(io.Reader) error) error {
	return u.retry(ctx, path.Base(name), func() error {
		f, err := t.open(ctx, name)
		if err != nil {
			return err
		}
		defer f.Close()
		return sink(f)
	})
}

// netrcFor returns the credentials a netrc file has for a host, or nil. A file
// that cannot be read has none, as for the go command.
func netrcFor(file, host string) *url.Userinfo {
	if file == "" {
		file = os.Getenv("NETRC")
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		file = filepath.Join(home, ".netrc")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return parseNetrc(string(data), host)
}

// parseNetrc looks a host up in the content of a netrc file.
//
//	file    = { machine | default | macro }
//	machine = "machine" name { "login" name | "password" word | "account" word }
//	default = "default" …                  the go command does not use it, nor does this
//	macro   = "macdef" name … empty line
//
// The first machine entry with the host's name that has both login and password wins.
func parseNetrc(data, host string) *url.Userinfo {
	var machine, login, password string
	macro := false
	for line := range strings.Lines(data) {
		f := strings.Fields(line)
		if macro {
			macro = len(f) > 0
			continue
		}
		for len(f) > 0 && !macro {
			switch f[0] {
			case "default":
				return nil // it must be the last entry
			case "macdef":
				macro = true
				continue
			}
			if len(f) < 2 {
				break
			}
			switch f[0] {
			case "machine":
				machine, login, password = f[1], "", ""
			case "login":
				login = f[1]
			case "password":
				password = f[1]
			}
			if machine == host && login != "" && password != "" {
				return url.UserPassword(login, password)
			}
			f = f[2:]
		}
	}
	return nil
}
