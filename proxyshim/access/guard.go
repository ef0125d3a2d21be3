package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"runtime"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/modferry/modferry/artifact/userfile"
)

// Guard lets requests through whose client an access file knows, and says which it is: see [From]. What the client may not
// read is for those behind it to refuse. The file is read again when it changes; one that is broken leaves the old one in
// force. It is safe for concurrent use.
type Guard struct {
	file *userfile.Value[*File]
	log  *slog.Logger

	// Checking a password takes as long as its hash is meant to take, and the go command sends it with each of a thousand
	// requests. So those that were right are remembered, as digests under a key of this process.
	key   [sha256.Size]byte
	right *lru.Cache[proof, *Client]
	slots chan struct{} // one for each password that is checked: more than there are cores would only keep others waiting
}

// proof stands for a name and a password that were checked against a file.
type proof struct {
	file   *File
	digest [sha256.Size]byte
}

// maxProofs bounds how many passwords are remembered.
const maxProofs = 10_000

// maxAccessFile bounds an access file, in bytes.
const maxAccessFile = 16 << 20

// Open reads an access file.
func Open(name string, log *slog.Logger) (*Guard, error) {
	g := &Guard{log: log, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	_, _ = rand.Read(g.key[:]) // it never fails
	var err error
	if g.right, err = lru.New[proof, *Client](maxProofs); err != nil {
		return nil, err
	}
	g.file, err = userfile.Follow(userfile.FollowOptions[*File]{
		What: "access file", File: name, Limit: maxAccessFile, Log: log,
		Load: func(read func(string) ([]byte, error)) (*File, error) {
			data, err := read(name)
			if err != nil {
				return nil, err
			}
			return Parse(name, data)
		},
	})
	return g, err
}

// Err returns why the access file is not in force as it is now, or nil.
func (g *Guard) Err() error { return g.file.Fault() }

// Handler returns h behind the guard. What tells supervisors that the process lives, and nothing else, is for everybody.
func (g *Guard) Handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/-/healthz" || r.URL.Path == "/-/readyz" {
			h.ServeHTTP(w, r)
			return
		}
		c, why := g.client(r)
		if c == nil {
			g.log.Warn("refused: no access", "why", why, "client", r.RemoteAddr)
			Challenge(w, why)
			return
		}
		h.ServeHTTP(w, r.WithContext(With(r.Context(), c)))
	})
}

// client returns who makes a request. It is nil, and why says so, for nobody who is known: a wrong credential is no
// credential of somebody else, and not the same as none.
func (g *Guard) client(r *http.Request) (c *Client, why string) {
	f := g.file.Get()
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return f.tokens[sha256.Sum256([]byte(strings.TrimSpace(token)))], "the token is not known"
	case strings.EqualFold(scheme, "basic"):
		name, password, ok := r.BasicAuth()
		if !ok {
			return nil, "the credential is malformed"
		}
		return g.user(r, f, name, password), "name or password is wrong"
	case scheme != "":
		return nil, "the credential is of a kind that is not accepted here"
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		if c := f.certificates[r.TLS.VerifiedChains[0][0].Subject.CommonName]; c != nil {
			return c, ""
		}
	}
	return f.anonymous, "a user and password, a token or a certificate is needed"
}

// user returns the client with that name and password, or token, nil if they are wrong.
func (g *Guard) user(r *http.Request, f *File, name, password string) *Client {
	if c := f.tokens[sha256.Sum256([]byte(password))]; c != nil && c.Name == name {
		return c
	}
	p := proof{file: f}
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte(name + "\x00" + password))
	mac.Sum(p.digest[:0])
	if c, ok := g.right.Get(p); ok {
		return c
	}
	select {
	case <-r.Context().Done():
		return nil
	case g.slots <- struct{}{}:
	}
	defer func() { <-g.slots }()
	if c, ok := g.right.Get(p); ok { // checked for another request meanwhile
		return c
	}
	c := f.check(name, password)
	if c != nil {
		g.right.Add(p, c)
	}
	return c
}

// check checks a password. A name that nobody has takes as long as one that somebody has, so that nobody finds out names.
func (f *File) check(name, given string) *Client {
	known := f.passwords[name]
	if len(known) == 0 {
		for _, others := range f.passwords {
			_ = bcrypt.CompareHashAndPassword(others[0].hash, []byte(given))
			break
		}
		return nil
	}
	for _, p := range known {
		if bcrypt.CompareHashAndPassword(p.hash, []byte(given)) == nil {
			return p.client
		}
	}
	return nil
}
