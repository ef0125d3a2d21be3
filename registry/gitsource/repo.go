package gitsource

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modferry/modferry/artifact"
)

// repo is a git repository, seen from a directory of its work tree. Git commands run at the top of that: on the way up
// from below git takes for a repository what looks like one, and the files of another repository can be made to,
// with a configuration that names programs to run.
type repo struct {
	git
	top     string // the work tree
	at      string // the directory, from top, slash-separated; "" = top
	common  string // the directory with objects and references
	shallow bool
}

// openRepo opens the repository that a directory is in, which must be a physical path. It is nil if there is none.
func openRepo(ctx context.Context, cmd, dir string) (*repo, error) {
	top := workTree(dir)
	if top == "" {
		if isBare(dir) {
			return nil, fmt.Errorf("%s is a repository without a work tree: clone it, and publish from the clone", dir)
		}
		return nil, nil
	}
	at, err := filepath.Rel(top, dir)
	if err != nil {
		return nil, err
	}
	g, err := newGit(cmd, top)
	if err != nil {
		return nil, err
	}
	r := &repo{git: *g, top: top}
	if at != "." {
		r.at = filepath.ToSlash(at)
	}
	if err := r.inspect(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// inspect asks git what it sees, with a command that runs no other programs.
func (r *repo) inspect(ctx context.Context) error {
	var err error
	ask := func(what string) (answer string) {
		if err == nil {
			answer, err = r.line(ctx, "rev-parse", what)
		}
		return filepath.FromSlash(answer)
	}
	gitDir, top := ask("--absolute-git-dir"), ask("--show-toplevel")
	if err == nil && (sameFile(gitDir, r.top) || !sameFile(top, r.top)) {
		err = fmt.Errorf("the repository of %s has its work tree in %s, not there: publish from a clone", r.top, top)
	}
	r.common = ask("--git-common-dir")
	if !filepath.IsAbs(r.common) {
		r.common = filepath.Join(r.top, r.common)
	}
	r.shallow = ask("--is-shallow-repository") == "true"
	return err
}

// sameFile says whether two names are of one file: git may write them in another way.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// workTree returns the directory, at dir or above, with the entry .git that every work tree has; empty if there is none.
// Git itself would say with the same exit code that there is none and that it does not trust the owner.
func workTree(dir string) string {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// isBare says whether a directory is a repository without a work tree.
func isBare(dir string) bool {
	isDir := func(name string) bool {
		st, err := os.Stat(filepath.Join(dir, name))
		return err == nil && st.IsDir()
	}
	st, err := os.Stat(filepath.Join(dir, "HEAD"))
	return err == nil && st.Mode().IsRegular() && isDir("objects") && isDir("refs")
}

// reader reads from a commit.
func (r *repo) reader(c *commit) reader {
	return func(ctx context.Context, name string) ([]byte, error) {
		data, err := r.file(ctx, c.hash, name)
		return data, r.explain(ctx, err)
	}
}

// files returns the names of all files of a commit.
func (r *repo) files(ctx context.Context, c *commit) ([]string, error) {
	out, err := r.output(ctx, "ls-tree", "-r", "-z", "--name-only", "--full-tree", c.hash)
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == 0 }), r.explain(ctx, err)
}

// tags returns all tags, sorted by name.
func (r *repo) tags(ctx context.Context) ([]tag, error) {
	out, err := r.output(ctx, "show-ref", "--dereference", "--tags")
	if saidNo(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseTags(out)
}

// merged returns the names of the tags that a commit has behind it.
func (r *repo) merged(ctx context.Context, c *commit) ([]string, error) {
	out, err := r.output(ctx, "for-each-ref", "--format=%(refname)", "--merged="+c.hash, "refs/tags/")
	var names []string
	for line := range strings.Lines(string(out)) {
		names = append(names, strings.TrimPrefix(strings.TrimSpace(line), "refs/tags/"))
	}
	return names, err
}

// descends says whether a commit has another one, or itself, behind it.
func (r *repo) descends(ctx context.Context, c *commit, from string) (bool, error) {
	_, err := r.output(ctx, "merge-base", "--is-ancestor", "--", from, c.hash)
	if saidNo(err) {
		return false, nil
	}
	return err == nil, err
}

// commit returns the commit of a hash or of a full reference.
func (r *repo) commit(ctx context.Context, rev string) (*commit, error) {
	out, err := r.output(ctx, "-c", "log.showSignature=false", "log", "-n1", "--no-decorate", "--format=format:%H %ct", rev, "--")
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s is no commit", ErrRevision, rev)
	}
	return parseCommit(out)
}

// A revision is what a name means in the repository.
type revision struct {
	commit *commit
	tag    string // the name, if it is a tag
	public string // what others can call it: a tag or branch by its name, a commit by its whole hash; empty for the rest
}

// resolve returns what a name means, in the go command's order: a tag, a branch, a hash or the
// beginning of one, or whatever else git understands, such as HEAD~1 and origin/main.
func (r *repo) resolve(ctx context.Context, rev string) (*revision, error) {
	const tags, heads = "refs/tags/", "refs/heads/"
	prefixes := []string{tags, heads, ""}
	if strings.HasPrefix(rev, "-") {
		prefixes = nil // no name; git would take it for an option
	}
	for _, prefix := range prefixes {
		hash, err := r.line(ctx, "rev-parse", "--verify", "--quiet", prefix+rev+"^{commit}")
		if failed(err) || err == nil && !artifact.IsHash(hash) { // of ^main it is not
			continue
		}
		if err != nil {
			return nil, err
		}
		found := &revision{}
		switch isName := !strings.ContainsAny(rev, "~^:") && !strings.Contains(rev, "@{"); {
		case isName && prefix == tags:
			found.tag, found.public = rev, rev
		case isName && prefix == heads:
			found.public = rev
		case strings.HasPrefix(hash, rev):
			found.public = hash
		}
		found.commit, err = r.commit(ctx, hash)
		return found, err
	}
	if rev == "HEAD" {
		return nil, fmt.Errorf("%w: nothing is committed as yet", ErrRevision)
	}
	return nil, fmt.Errorf("%w %q: it is no tag, branch or commit of this repository", ErrRevision, rev)
}

// changes returns what is changed or unknown to git in the directory and below. A submodule is never part of a module.
func (r *repo) changes(ctx context.Context) ([]string, error) {
	out, err := r.output(ctx, "-c", "core.fsmonitor=false", "status", "--porcelain", "-z", "--no-renames",
		"--untracked-files=normal", "--ignore-submodules=all", "--", cmp.Or(r.at, "."))
	return parseStatus(out), err
}

// known returns the files, from there, below a directory (from top) that are committed or could be: what git ignores is not
// among them, and neither are those of a submodule.
func (r *repo) known(ctx context.Context, dir string) ([]string, error) {
	out, err := r.output(ctx, "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", cmp.Or(dir, "."))
	var names []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		if dir != "" {
			name = strings.TrimPrefix(name, dir+"/")
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return slices.Compact(names), err // one with conflicts is there up to three times
}

// explain says of a failure to read files that they may be elsewhere.
func (r *repo) explain(ctx context.Context, err error) error {
	if !failed(err) {
		return err
	}
	if _, e := r.line(ctx, "config", "--get-regexp", `^remote\..*\.promisor$|^extensions\.partialclone$`); e != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPartial, err)
}
