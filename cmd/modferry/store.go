package main

import (
	"errors"
	"fmt"
	"log/slog"
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

// nameBroken says what is wrong with the repositories that a listing could not read.
func (a *app) nameBroken(broken []error) {
	for _, err := range broken {
		fmt.Fprintf(a.err, "modferry: %v\n", err)
	}
}

// itemsFailed is the error of a command that went on after failures it has already named.
func itemsFailed(n int, what string) error {
	return &exitError{code: exitItems, err: fmt.Errorf("%d %s", n, what)}
}
