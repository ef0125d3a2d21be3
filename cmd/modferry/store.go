package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/stores"
)

// openStores opens what --registry names. Log may be nil.
func (a *app) openStores(c *cli.Context, log *slog.Logger) (*registry.Router, error) {
	spec := c.String(flagRegistry)
	if spec == "" {
		return nil, usageErrorf("--%s is needed: a registry and namespace (harbor.example/golang) or a directory (oci:DIR)", flagRegistry)
	}
	client, err := remote.NewClient(remote.ClientOptions{
		CAFile:    c.String(flagCAFile),
		UserAgent: "modferry/" + buildVersion(),
		Log:       log,
	})
	if err != nil {
		return nil, err
	}
	stores, err := stores.Route(client, spec)
	if errors.Is(err, registry.ErrReference) {
		return nil, &exitError{code: exitUsage, err: err}
	}
	return stores, err
}

// verifier is what the trust options ask for. There is no default: nothing is trusted silently.
func (a *app) verifier(c *cli.Context) (sign.Verifier, error) {
	keys := c.StringSlice(flagKey)
	if c.Bool(flagSkipVerify) {
		if len(keys) > 0 {
			return nil, usageErrorf("--%s and --%s contradict each other", flagKey, flagSkipVerify)
		}
		a.warn("signatures are NOT verified (--%s): whoever can write to the store decides what gets built", flagSkipVerify)
		return sign.SkipVerify{}, nil
	}
	if len(keys) == 0 {
		return nil, withHint(usageErrorf("--%s is needed: whose signatures are accepted?", flagKey),
			"--key cosign.pub, the public half of the key that mirror signs with")
	}
	return sign.LoadKeys(keys...)
}

// optionalKeys are the keys that --key names, of a command that works without any: nil then.
func optionalKeys(c *cli.Context) (*sign.Keys, error) {
	files := c.StringSlice(flagKey)
	if len(files) == 0 {
		return nil, nil
	}
	return sign.LoadKeys(files...)
}

// verifierOf accepts everything where there are no keys.
func verifierOf(keys *sign.Keys) sign.Verifier {
	if keys == nil {
		return sign.SkipVerify{}
	}
	return keys
}

// parseVersion reads module@version, where the version is one a store can have: canonical, no query.
func parseVersion(arg string) (module.Version, error) {
	path, version, ok := strings.Cut(arg, "@")
	if !ok || version == "" || strings.Contains(path, ":") { // of a URL, half of a password would be shown as the path
		return module.Version{}, usageErrorf("%q is not module@version, like golang.org/x/text@v0.14.0", arg)
	}
	m := module.Version{Path: path, Version: version}
	if err := goproxy.Check(m); err != nil {
		return module.Version{}, usageErrorf("%q: %v", arg, err)
	}
	return m, nil
}

// eachModule calls do, in the order of paths, for every module of every store that requests for it would be routed
// to, with its versions. A repository that cannot be read does not end it: broken says what is wrong with each. err is
// that of do, or says why the listing ended.
func eachModule(ctx context.Context, stores *registry.Router, do func(path string, versions []registry.Listed) error) (broken []error, err error) {
	paths, broken, err := modules(ctx, stores)
	if err != nil {
		return broken, err
	}
	down := false
	for _, path := range paths {
		versions, err := listVersions(ctx, stores, path)
		switch {
		case err == nil:
			if err := do(path, versions); err != nil {
				return broken, err
			}
		case errors.Is(err, registry.ErrNotFound): // it is gone since it was listed, or nothing is left of it
		case ctx.Err() != nil, down && errors.Is(err, registry.ErrUnavailable):
			return broken, err // the second in a row: it is not the repository
		default:
			broken = append(broken, err)
		}
		down = errors.Is(err, registry.ErrUnavailable)
	}
	return broken, nil
}

// modules returns, sorted, every module path of every store that requests for it would be routed to, and what is
// wrong with repositories that do not tell theirs.
func modules(ctx context.Context, stores *registry.Router) (paths []string, broken []error, err error) {
	for _, s := range stores.Stores() {
		for path, err := range s.Modules(ctx) {
			switch {
			case err == nil && routed(stores, path, s):
				paths = append(paths, path)
			case errors.Is(err, registry.ErrNoPath) && ctx.Err() == nil:
				broken = append(broken, err)
			case err != nil:
				return nil, broken, err
			}
		}
	}
	slices.Sort(paths)
	return paths, broken, nil
}

func listVersions(ctx context.Context, stores *registry.Router, path string) ([]registry.Listed, error) {
	store, err := stores.For(path)
	if err != nil {
		return nil, err
	}
	return store.Versions(ctx, path)
}

// nameBroken says what is wrong with the repositories that a listing could not read.
func (a *app) nameBroken(broken []error) {
	for _, err := range broken {
		fmt.Fprintf(a.err, "modferry: %v\n", err)
	}
}

// routed says whether s is where path is looked up: another store may hold a copy nobody is sent to.
func routed(stores *registry.Router, path string, s *registry.Store) bool {
	found, err := stores.For(path)
	return err == nil && found == s
}

// kindName is how a version that has its go.mod only is marked in listings.
func kindName(modOnly bool) string {
	if modOnly {
		return " mod-only"
	}
	return ""
}

// itemsFailed is the error of a command that went on after failures it has already named.
func itemsFailed(n int, what string) error {
	return &exitError{code: exitItems, err: fmt.Errorf("%d %s", n, what)}
}
