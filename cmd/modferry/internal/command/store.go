package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/safetext"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/verify"
)

// OpenStores opens what --registry names.
func (a *App) OpenStores(c *cli.Context) (*registry.Router, error) {
	return a.OpenTimedStores(c, nil, nil)
}

// OpenAnswering is OpenStores for stores that have to answer, and not with one of the fatal errors. Done is what has not
// been when one does: see [Contact].
func (a *App) OpenAnswering(c *cli.Context, done string, fatal ...error) (*registry.Router, error) {
	stores, err := a.OpenStores(c)
	if err != nil {
		return nil, err
	}
	if err := Contact(c.Context, stores.Stores(), done, fatal...); err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	return stores, nil
}

// OpenTimedStores is OpenStores, and has requested told of each request, as [remote.ClientOptions] has it. Both may be nil.
func (a *App) OpenTimedStores(c *cli.Context, log *slog.Logger, requested func(method string, status int, took time.Duration)) (*registry.Router, error) {
	spec := c.String(FlagRegistry)
	if spec == "" {
		return nil, UsageErrorf("--%s is needed: a registry and namespace (harbor.example/golang) or a directory (oci:DIR)", FlagRegistry)
	}
	client, err := newClient(c, log, requested)
	if err != nil {
		return nil, err
	}
	stores, err := stores.Route(client, spec)
	if errors.Is(err, registry.ErrReference) {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	return stores, err
}

// OpenEach opens stores that arguments name: registries and namespaces, or directories.
func (a *App) OpenEach(c *cli.Context, refs ...string) (list []*registry.Store, err error) {
	client, err := newClient(c, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		s, err := stores.Open(client, ref)
		if errors.Is(err, registry.ErrReference) {
			return nil, &ExitError{Code: ExitUsage, Err: err}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func newClient(c *cli.Context, log *slog.Logger, requested func(method string, status int, took time.Duration)) (*remote.Client, error) {
	if c.String(flagClientKey) != "" && c.String(flagClientCert) == "" {
		return nil, UsageErrorf("--%s is the key of a certificate: give --%s, too", flagClientKey, flagClientCert)
	}
	return remote.NewClient(remote.ClientOptions{
		CAFile: c.String(flagCAFile), ClientCert: c.String(flagClientCert), ClientKey: c.String(flagClientKey),
		UserAgent: "modferry/" + BuildVersion(),
		Log:       log,
		Requested: requested,
	})
}

// Checker decides, by the options about trust, which versions may be used. What confirms them is still to be said.
func (a *App) Checker(c *cli.Context) (verify.Checker, error) {
	v, err := a.Verifier(c)
	if err != nil {
		return verify.Checker{}, err
	}
	log, err := ChecksumLog(c)
	if err != nil {
		return verify.Checker{}, err
	}
	return verify.Checker{
		Verifier: v, Log: log, Thorough: true, Private: a.PrivatePatterns(c), AllowUnrecorded: c.Bool(FlagUnrecorded), Patience: verify.NewPatience(),
	}, nil
}

// OpenStore opens what --registry names, of a command that works on one store.
func (a *App) OpenStore(c *cli.Context) (*registry.Store, error) {
	router, err := a.OpenStores(c)
	if err != nil {
		return nil, err
	}
	if all := router.Stores(); len(all) == 1 {
		return all[0], nil
	}
	return nil, errors.Join(UsageErrorf("--%s: %s works on one store at a time: name one, without routes", FlagRegistry, c.Command.Name), router.Close())
}

// OpenSource is OpenStore for what is read, which has to be there and to answer. Done is what has not been, as "listed".
func (a *App) OpenSource(c *cli.Context, done string) (*registry.Store, error) {
	store, err := a.OpenStore(c)
	if err != nil {
		return nil, err
	}
	if err := Answers(c.Context, store, done); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// CloseWritten closes stores that a command may have written to, at its end. What is not in order then is the command's
// error, besides another one that it may have.
func CloseWritten(stores io.Closer, err *error) {
	if closed := stores.Close(); closed != nil {
		*err = errors.Join(*err, closed)
	}
}

// Answers returns why a store that is to be read does not answer, or not to us; nil if it does.
func Answers(ctx context.Context, store *registry.Store, done string) error {
	return Contact(ctx, []*registry.Store{store}, done, registry.ErrUnreachable, registry.ErrUnauthorized, registry.ErrNoLayout)
}

// Verifier is what the trust options ask for. There is no default: nothing is trusted silently.
func (a *App) Verifier(c *cli.Context) (sign.Verifier, error) {
	v, err := OptionalVerifier(c)
	switch {
	case err != nil:
		return nil, err
	case v != nil:
		return v, nil
	case c.Bool(flagSkipVerify):
		a.Warn("signatures are NOT verified (--%s): whoever can write to the store decides what gets built", flagSkipVerify)
		return sign.SkipVerify{}, nil
	}
	return nil, WithHint(UsageErrorf("--%s is needed, or --%s: whose signatures are accepted?", trustKeyFlag(c.Command), FlagPolicy),
		"--"+trustKeyFlag(c.Command)+" cosign.pub, the public half of the key that mirror signs with")
}

// ParseVersion reads module@version, where the version is one a store can have: canonical, no query.
func ParseVersion(arg string) (module.Version, error) {
	path, version, ok := strings.Cut(arg, "@")
	if !ok || version == "" || strings.Contains(path, ":") { // of a URL, half of a password would be shown as the path
		return module.Version{}, UsageErrorf("%q is not module@version, like golang.org/x/text@v0.14.0", arg)
	}
	m := module.Version{Path: path, Version: version}
	if err := goproxy.Check(m); err != nil {
		return module.Version{}, UsageErrorf("%w", safetext.Naming(arg, err))
	}
	return m, nil
}

// NameBroken says what is wrong with the repositories that a listing could not read.
func (a *App) NameBroken(broken []error) {
	for _, err := range broken {
		Report(a.Err, err)
	}
}

// ItemsFailed is the error of a command that went on after failures it has already named.
func ItemsFailed(n int, what string) error {
	return &ExitError{Code: ExitItems, Err: fmt.Errorf("%d %s", n, what)}
}
