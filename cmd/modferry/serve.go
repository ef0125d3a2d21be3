package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim/events"
	"github.com/modferry/modferry/proxyshim/metrics"
)

const (
	flagWishlist  = "wishlist"
	flagLogFormat = "log-format"
)

func (a *app) serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the shim: a GOPROXY that answers from the store",
		Description: command.Describe(`
Listens for the go command and answers from the store. Whatever is served has been verified: signature, identity, every
hash. What the store does not have is "not found"; anything else that goes wrong is an error that stops the go command,
never a silent fall-through to another proxy. Verified versions are kept in a cache and served while the store is down.
While the store refuses access they are kept, but not served.

By default it listens on loopback only, and answers there only requests whose Host is localhost or a loopback address: no
web page can reach it by a name of its own. --allow-host names other hosts it stands for, as behind a proxy that passes
the name on. Other addresses need TLS (--tls-cert, --tls-key) or --allow-remote; there any Host is answered, unless
--allow-host is given.

--access names a file of clients, one a line: name:secret[:prefixes]. The secret is a bcrypt hash (as htpasswd -B writes
it), sha256- and the digest of a token in hexadecimal, or the word certificate for who shows one with that common name
(--client-ca); *::prefixes is for who shows none. The prefixes of module paths, with commas between them, are what the
client may read, and * what no line names otherwise; so naming one anywhere closes it to all others.
Without prefixes it is *, and none is metrics and no module. What may not be read is answered with 401 or 403, be it there or not.

A browser is shown at / what there is and what is missing. It stops on SIGINT, SIGTERM and SIGHUP after answering what is
in flight. GET /-/healthz and /-/readyz are for supervisors ("modferry healthcheck" asks, too), and /-/metrics for Prometheus.
What was asked for and missing is written to --wishlist, with counts and times, a file that mirror reads; delete the file once its modules are mirrored. Several commands may add to it, by way of the lock file .FILE.lock beside it.
--audit-log has a line of JSON for each request: who asked for what, what became of it and why, and of the version the
digest of its manifest, whose signatures counted, and the checksum snapshot in force. What the user of the go command is
shown names the request by its id. The file may be moved away at any time: it is created again with the next line.

The checksum database is served as well, from the newest snapshot in the store: a go command with its default GOSUMDB
verifies every public module against the log's own signature, without a network. Modules matching --private, GONOSUMDB or
GOPRIVATE are not in it; the go command needs them in GONOSUMDB. Where there is a snapshot, all others are served only
with a record that it confirms, unless --allow-unrecorded is given.

A trust policy (--policy) is followed: what its file says counts from the next request on, and one that is broken leaves the
one before in force, which /-/readyz and the log tell.`, `
modferry serve --key cosign.pub
modferry serve --policy policy.yaml
modferry serve --key cosign.pub --private 'corp.example/*'
modferry serve --key cosign.pub --registry harbor.example/golang --wishlist wishes.txt
modferry serve --key cosign.pub --listen :7443 --tls-cert shim.crt --tls-key shim.key --access access --log-format json`),
		Flags: append(slices.Concat(a.ShimFlags(), command.CacheFlags(), command.ListenFlags()),
			&cli.StringFlag{Name: flagWishlist, Usage: "write what was asked for and missing to `FILE`"},
			auditFlag("; - is standard output"),
			&cli.StringFlag{Name: flagLogFormat, Value: "text", Usage: "log as `FORMAT`: text or json"},
		),
		Action: a.serve,
	}
}

func (a *app) serve(c *cli.Context) error {
	log, err := a.newLog(c.String(flagLogFormat))
	if err != nil {
		return err
	}
	how, err := command.NewListening(c, log)
	if err != nil {
		return err
	}
	wishes, err := openWishlist(c)
	if err != nil {
		return err
	}
	o, err := cacheOptions(c)
	if err != nil {
		return err
	}
	if o.SumDB, err = command.ChecksumLog(c); err != nil {
		return err
	}
	o.Conditions = how.Conditions
	counts := metrics.New(command.BuildVersion())
	s, err := a.newShim(c, log, o, counts.RegistryRequest)
	if err != nil {
		return err
	}
	defer s.Close()
	auditLog, err := a.openAuditLog(c, log)
	if err != nil {
		return err
	}
	defer auditLog.Close()
	counts.Watch(s.State)
	shown, err := pages{s, how.Guard != nil}.handler()
	if err != nil {
		return err
	}
	defer shown.Close()
	l, addr, scheme, err := how.Listen(log)
	if err != nil {
		return err
	}
	url, err := listen.URL(scheme, addr.String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if c.String(flagLogFormat) == "json" { // each line is, for what reads it
		log.Info("serving", "version", command.BuildVersion(), "store", s.stores.String(), "url", url)
	} else {
		a.banner(url, s.stores.String(), s.private)
	}
	var look sync.WaitGroup
	look.Go(func() { command.LogContact(c.Context, s.stores, o.SumDB, log) })
	defer look.Wait()
	stopWishes := wishes.Follow(s.Wishes, log)
	defer stopWishes()
	how.Stop.Drain = s.Drain
	srv := listen.Server(how.Handler(counts.Handler(shown)), addr, how.Hosts, log)
	srv.Handler = events.Observe(srv.Handler, auditLog.Write, counts.Observe, shown.Observe)
	return listen.Until(c.Context, srv, l, how.Stop, log)
}

// newLog writes text for people or JSON for machines, without the credentials of URLs.
func (a *app) newLog(format string) (*slog.Logger, error) {
	o := &slog.HandlerOptions{ReplaceAttr: command.HideCredentials}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, o)), nil
	}
	return nil, command.UsageErrorf("--%s %q: known are text and json", flagLogFormat, format)
}

// banner tells a person what to do with the shim at a URL.
func (a *app) banner(url, stores, private string) {
	fmt.Fprintf(a.Err, "modferry %s serves %s at %s\n\n", command.BuildVersion(), stores, url)
	for _, v := range goSettings(url, private) {
		fmt.Fprintf(a.Err, "    export %s=%s\n", v.Name, shell.Quote(v.Value))
	}
	fmt.Fprint(a.Err, bannerText)
}

const bannerText = `
The checksum database is served, too: leave GOSUMDB as it is, and the go command verifies every public module against
the log itself. Private modules are not in the log; GONOSUMDB names them (--private). "modferry env" prints these lines
for other shells, "modferry doctor" finds out what is wrong.

`
