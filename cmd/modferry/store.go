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

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
)

// openStores opens what --registry names. Log may be nil.
func (a *app) openStores(c *cli.Context, log *slog.Logger) (*registry.Router, error) {
	spec := c.String(flagRegistry)
	if spec == "" {
		return nil, usageErrorf("--%s is needed: a registry and namespace (harbor.example/golang) or a directory (oci:DIR)", flagRegistry)
	}
	client, err := registry.NewClient(registry.ClientOptions{
		CAFile:    c.String(flagCAFile),
		UserAgent: "modferry/" + buildVersion(),
		Log:       log,
	})
	if err != nil {
		return nil, err
	}
	stores, err := client.Route(spec)
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

// parseVersion reads module@version, where the version is one a store can have: canonical, no query.
func parseVersion(arg string) (module.Version, error) {
	path, version, ok := strings.Cut(arg, "@")
	if !ok || version == "" || strings.Contains(path, ":") { // of a URL, half of a password would be shown as the path
		return module.Version{}, usageErrorf("%q is not module@version, like golang.org/x/text@v0.14.0", arg)
	}
	m := module.Version{Path: path, Version: version}
	if err := checkVersion(m); err != nil {
		return module.Version{}, usageErrorf("%q: %v", arg, err)
	}
	return m, nil
}

// checkVersion says whether m is a version a store can have. Unlike module.Check it does not take v1.2 for one.
func checkVersion(m module.Version) error {
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	if module.CanonicalVersion(m.Version) != m.Version {
		return fmt.Errorf("%s is not a whole version, like v1.2.3", m.Version)
	}
	return nil
}

// modules returns, sorted, every module path of every store that requests for it would be routed to.
func modules(ctx context.Context, stores *registry.Router) ([]string, error) {
	var paths []string
	for _, s := range stores.Stores() {
		for path, err := range s.Modules(ctx) {
			if err != nil {
				return nil, err
			}
			if routed(stores, path, s) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return paths, nil
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
