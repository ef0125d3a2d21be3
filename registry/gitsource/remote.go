package gitsource

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// remotes returns the names of the remote repository that the branch is tracked in, if any, and of the usual one.
func (r *repo) remotes(ctx context.Context) ([]string, error) {
	names := []string{"origin"}
	branch, err := r.line(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	if failed(err) {
		return names, nil // HEAD is a commit
	}
	if err != nil {
		return nil, err
	}
	name, err := r.config(ctx, "branch."+branch+".remote")
	return append([]string{name}, names...), err
}

// remote returns the address of the repository that the branch is tracked in, else of
// the one called origin, without credentials. Empty if there is none that somebody else can use.
func (r *repo) remote(ctx context.Context) (string, error) {
	names, err := r.remotes(ctx)
	for _, name := range names {
		address, err := r.config(ctx, "remote."+name+".url")
		if err != nil {
			return "", err
		}
		if u := publicURL(address); u != "" {
			return u, nil
		}
	}
	return "", err
}

// hasTags is an error if the repository was cloned without tags: what it says is not known then.
func (r *repo) hasTags(ctx context.Context, unknown string) error {
	names, err := r.remotes(ctx)
	for _, name := range names {
		key := "remote." + name + ".tagOpt"
		value, err := r.config(ctx, key)
		if err != nil {
			return err
		}
		if value == "--no-tags" {
			return fmt.Errorf("%w: %s; fetch them (git config --unset %s; git fetch --tags), or give version and revision", ErrNoTags, unknown, key)
		}
	}
	return err
}

// config returns a setting, or empty.
func (r *repo) config(ctx context.Context, key string) (string, error) {
	value, err := r.line(ctx, "config", "--get", key)
	if failed(err) {
		return "", nil // not set, or not a key
	}
	return value, err
}

// publicURL returns what others may know of a remote's address: the URL without user, password and query.
// It is empty for addresses on this machine. git@host:path is an ssh URL.
func publicURL(address string) string {
	host, file, ok := strings.Cut(address, ":")
	if ok && len(host) > 1 && !strings.Contains(host, "/") && !strings.HasPrefix(file, "//") && !strings.HasPrefix(file, ":") {
		address = "ssh://" + host + "/" + strings.TrimPrefix(file, "/")
	}
	schemes := []string{"https", "ssh", "http", "git", "git+ssh"}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return ""
	}
	if slices.Contains(schemes, u.Host) || strings.Contains(u.Path, "@") {
		return "" // misspelt, and who knows what is a password in it
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}
