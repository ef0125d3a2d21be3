package gitsource

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
)

const tagRefs, branchRefs = "refs/tags/", "refs/heads/"

// repo is a git repository, seen from a directory of its work tree. Git commands run at the top of that: on the way up
// from below git takes for a repository what looks like one, and the files of another repository can be made to,
// with a configuration that names programs to run.
type repo struct {
	*command
	top     string // the work tree
	at      string // the directory, from top, slash-separated
	common  string // the directory with references, and more
	objects string // the directory with objects
	shallow bool
	refs    map[string]string // tags and branches by their full names, and the hash of what an annotated tag is about
	config  map[string]string // the last value of each setting
}

// openRepo opens the repository that a directory is in, which must be a physical path. It is nil if there is none.
func openRepo(ctx context.Context, dir string) (*repo, error) {
	top := findTop(dir)
	if top == "" {
		_, errHead := os.Stat(filepath.Join(dir, "HEAD"))
		_, errObjects := os.Stat(filepath.Join(dir, "objects"))
		if errHead == nil && errObjects == nil {
			return nil, fmt.Errorf("%s is a repository without a work tree: clone it, and publish from the clone", dir)
		}
		return nil, nil
	}
	at, err := filepath.Rel(top, dir)
	if err != nil {
		return nil, err
	}
	git, err := newGit(top)
	if err != nil {
		return nil, err
	}
	r := &repo{command: git, top: top, at: filepath.ToSlash(at)}
	return r, r.inspect(ctx)
}

// findTop returns the directory, at dir or above, with the entry .git that every work tree has; empty if there is none.
// Git itself would say with the same exit code that there is none and that it does not trust the owner.
func findTop(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// inspect asks git what it sees, first with a command that runs no other programs.
func (r *repo) inspect(ctx context.Context) error {
	out, err := r.line(ctx, "rev-parse", "--absolute-git-dir", "--show-toplevel", "--git-common-dir", "--is-shallow-repository")
	answers := strings.Split(out, "\n")
	switch {
	case err != nil:
		return err
	case len(answers) != 4:
		return fmt.Errorf("git rev-parse: unexpected answer %.200q", out)
	case sameFile(answers[0], r.top) || !sameFile(answers[1], r.top):
		return fmt.Errorf("the repository of %s has its work tree in %s, not there: publish from a clone", r.top, answers[1])
	}
	r.common, r.shallow = filepath.FromSlash(answers[2]), answers[3] == "true"
	if !filepath.IsAbs(r.common) {
		r.common = filepath.Join(r.top, r.common)
	}
	r.objects = filepath.Join(r.common, "objects")
	settings, err := r.output(ctx, "config", "--list", "-z")
	r.config = make(map[string]string)
	for _, setting := range fields(settings) {
		name, value, _ := strings.Cut(setting, "\n") // the name in lower case, whatever the file says
		r.config[name] = value
	}
	if err != nil {
		return err
	}
	refs, err := r.output(ctx, "show-ref", "--dereference", "--tags", "--heads")
	r.refs = make(map[string]string)
	for line := range strings.Lines(string(refs)) { // behind that of an annotated tag there is one, with ^{}, for what it is about
		hash, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		r.refs[strings.TrimSuffix(ref, "^{}")] = hash
	}
	if exitCode(err) == 1 { // there is none
		return nil
	}
	return err
}

// sameFile says whether two names are of one file: git may write them in another way.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// fields are the names in the output of a command with -z.
func fields(out []byte) []string {
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == 0 })
}

// incomplete is an error if the repository may lack tags, or what is behind a commit.
func (r *repo) incomplete() error {
	switch {
	case r.shallow:
		return fmt.Errorf("%w; fetch it all (git fetch --unshallow --tags), or give version and revision", ErrShallow)
	case r.config["remote.origin.tagopt"] == "--no-tags":
		return fmt.Errorf("%w; fetch them (git config --unset remote.origin.tagOpt; git fetch --tags), or name the revision", ErrNoTags)
	}
	return nil
}

// explain adds to a failure what the repository may lack.
func (r *repo) explain(err error) error {
	lack := r.incomplete()
	if r.config["remote.origin.promisor"] == "true" {
		lack = ErrPartial
	}
	if err == nil || lack == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", err, lack)
}

// A revision is what a name means in the repository.
type revision struct {
	hash    string // of the commit
	tagName string // if it is a tag
	public  string // what others can call it: a tag or branch by its name, a commit by its whole hash; empty for the rest
}

// short is what a pseudo-version has of the hash.
func (r revision) short() string { return r.hash[:12] }

// resolve returns what a name means, in the go command's order: a tag, a branch, a hash or the
// beginning of one, or whatever else git understands, such as HEAD~1 and origin/main.
func (r *repo) resolve(ctx context.Context, name string) (*revision, error) {
	tag, branch := r.refs[tagRefs+name], r.refs[branchRefs+name]
	hash, err := r.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", cmp.Or(tag, branch, name)+"^{commit}")
	switch {
	case err != nil && exitCode(err) < 0:
		return nil, err
	case !artifact.IsHash(hash): // of ^main git prints something else
		return nil, fmt.Errorf("%w %q: nothing that is committed in this repository has that name", ErrRevision, name)
	case tag != "":
		return &revision{hash: hash, tagName: name, public: name}, nil
	case branch != "":
		return &revision{hash: hash, public: name}, nil
	case strings.HasPrefix(hash, name):
		return &revision{hash: hash, public: hash}, nil
	}
	return &revision{hash: hash}, nil
}

// dirty says whether something in the directory or below is changed or unknown to git, unless that does not matter: somebody
// who names a revision means that. A submodule is never part of a module.
func (r *repo) dirty(ctx context.Context, o Options) (bool, error) {
	if o.Revision != "" {
		return false, nil
	}
	out, err := r.output(ctx, "status", "--porcelain", "-z", "--no-renames",
		"--untracked-files=normal", "--ignore-submodules=all", "--", r.at)
	changes := fields(out)
	for i, change := range changes {
		changes[i] = change[3:] // behind two letters and a space
	}
	if err == nil && len(changes) > 0 && !o.AllowDirty {
		err = fmt.Errorf("%w: %s; commit them, or name the revision to publish", ErrDirty, few(changes))
	}
	return len(changes) > 0, err
}

// commit is the tree of a commit.
type commit struct {
	repo  *repo
	files map[string]string // the hashes
}

func (r *repo) readCommit(ctx context.Context, hash string) (*commit, error) {
	out, err := r.output(ctx, "ls-tree", "-r", "-z", "--full-tree", hash)
	c := &commit{repo: r, files: make(map[string]string)}
	for _, entry := range fields(out) {
		about, name, _ := strings.Cut(entry, "\t")
		if f := strings.Fields(about); len(f) == 3 && f[1] == "blob" { // behind the mode
			c.files[name] = f[2]
		}
	}
	return c, r.explain(err)
}

func (c *commit) list() []string { return slices.Sorted(maps.Keys(c.files)) }

func (c *commit) read(ctx context.Context, name string) ([]byte, error) {
	data, err := c.repo.output(ctx, "cat-file", "blob", c.files[name])
	if len(data) > modzip.MaxGoMod {
		err = tooLarge(name)
	}
	return data, c.repo.explain(err)
}

// address is where others find the repository that is called origin; empty if that is nowhere.
func (r *repo) address() string { return publicURL(r.config["remote.origin.url"]) }

// publicURL returns what others may know of a remote's address: the URL without user, password and query.
// It is empty for addresses on this machine. git@host:path is an ssh URL.
func publicURL(address string) string {
	host, file, ok := strings.Cut(address, ":")
	if ok && len(host) > 1 && !strings.Contains(host, "/") && !strings.HasPrefix(file, "//") && !strings.HasPrefix(file, ":") {
		address = "ssh://" + host + "/" + strings.TrimPrefix(file, "/")
	}
	schemes := []string{"https", "ssh", "http", "git", "git+ssh"}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) ||
		slices.Contains(schemes, u.Host) || strings.Contains(u.Path, "@") { // misspelt, and who knows what is a password in it
		return ""
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}
