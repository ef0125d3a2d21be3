package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/cmd/modferry/internal/contact"
	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/cmd/modferry/internal/shell"
	"github.com/modferry/modferry/proxyshim"
)

const (
	flagTLSCert     = "tls-cert"
	flagTLSKey      = "tls-key"
	flagAllowRemote = "allow-remote"
	flagAllowHost   = "allow-host"
	flagWishlist    = "wishlist"
	flagLogFormat   = "log-format"
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

The shim has no authentication, so it listens on loopback only, and answers there only requests whose Host is localhost
or a loopback address: no web page can reach it by a name of its own. --allow-host names other hosts it stands for, as
behind a proxy that passes the name on. Other addresses need TLS (--tls-cert, --tls-key) or --allow-remote; there any
Host is answered, unless --allow-host is given. It stops on SIGINT, SIGTERM and SIGHUP after answering what is in flight. GET /-/healthz and /-/readyz are for
supervisors. What was asked for and missing is written to --wishlist, with counts and times, a file that mirror reads;
delete the file once its modules are mirrored. Several commands may add to it, by way of the lock file .FILE.lock beside it.
--audit-log has a line of JSON for each request: who asked for what, what became of it and why, and of the version the
digest of its manifest, whose signatures counted, and the checksum snapshot in force. What the user of the go command is
shown names the request by its id. The file may be moved away at any time: it is created again with the next line.

The checksum database is served as well, from the newest snapshot in the store: a go command with its default GOSUMDB
verifies every public module against the log's own signature, without a network. Modules matching --private, GONOSUMDB or
GOPRIVATE are not in it; the go command needs them in GONOSUMDB. Where there is a snapshot, all others are served only
with a record that it confirms, unless --allow-unrecorded is given.`, `
modferry serve --key cosign.pub
modferry serve --key cosign.pub --private 'corp.example/*'
modferry serve --key cosign.pub --registry harbor.example/golang --wishlist wishes.txt
modferry serve --key cosign.pub --listen :7443 --tls-cert shim.crt --tls-key shim.key --log-format json`),
		Flags: append(append(a.ShimFlags(), command.CacheFlags()...),
			&cli.StringFlag{Name: command.FlagListen, Value: command.DefaultListen, Usage: "listen on `ADDRESS` (host:port; port 0 takes a free one)"},
			&cli.StringFlag{Name: flagTLSCert, Usage: "serve HTTPS with the certificate chain in `FILE` (PEM)"},
			&cli.StringFlag{Name: flagTLSKey, Usage: "the private key in `FILE` (PEM) of the certificate"},
			command.BoolFlag(flagAllowRemote, "listen on an address other machines can reach, without TLS"),
			&cli.StringSliceFlag{Name: flagAllowHost, Usage: "answer requests for the host `NAME`, a name or an address, as well as for this machine; repeat it, or separate with commas, for several"},
			&cli.StringFlag{Name: flagWishlist, Usage: "write what was asked for and missing to `FILE`"},
			auditFlag("; - is standard output"),
			&cli.StringFlag{Name: flagLogFormat, Value: "text", Usage: "log as `FORMAT`: text or json"},
		),
		Action: a.serve,
	}
}

func (a *app) serve(c *cli.Context) error {
	config, err := listenConfig(c)
	if err != nil {
		return err
	}
	hosts, err := allowedHosts(c)
	if err != nil {
		return err
	}
	log, err := a.newLog(c.String(flagLogFormat))
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
	s, err := a.newShim(c, log, o)
	if err != nil {
		return err
	}
	defer s.Close()
	auditLog, err := a.openAuditLog(c, log)
	if err != nil {
		return err
	}
	defer auditLog.Close()
	l, err := net.Listen("tcp", c.String(command.FlagListen))
	if err != nil {
		return command.WithHint(fmt.Errorf("starting the shim: %w", err), "is another shim running? --"+command.FlagListen+" chooses another address")
	}
	addr, scheme := l.Addr(), "http"
	if config != nil {
		l, scheme = tls.NewListener(l, config), "https"
	}
	if err := a.banner(scheme, addr.String(), s.stores.String(), s.private); err != nil {
		return errors.Join(err, l.Close())
	}
	var look sync.WaitGroup
	look.Go(func() { contact.Log(c.Context, s.stores, o.SumDB, log) })
	defer look.Wait()
	stopWishes := wishes.Follow(s.Wishes, log)
	defer stopWishes()
	server := listen.Server(s, addr, hosts, log)
	server.Handler = proxyshim.Observe(server.Handler, auditLog.Write)
	return listen.Until(c.Context, server, l, log)
}

// allowedHosts checks --allow-host.
func allowedHosts(c *cli.Context) ([]string, error) {
	var hosts []string
	for _, name := range c.StringSlice(flagAllowHost) {
		host, ok := proxyshim.ParseHost(name)
		if !ok {
			return nil, command.UsageErrorf("--%s %q is neither the name of a host nor an address, without port and wildcard", flagAllowHost, name)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// newLog writes text for people or JSON for machines, without the credentials of URLs.
func (a *app) newLog(format string) (*slog.Logger, error) {
	o := &slog.HandlerOptions{ReplaceAttr: hideCredentials}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.Err, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.Err, o)), nil
	}
	return nil, command.UsageErrorf("--%s %q: known are text and json", flagLogFormat, format)
}

// listenConfig checks that the address may be listened on as asked, and returns the TLS configuration, if any.
func listenConfig(c *cli.Context) (*tls.Config, error) {
	cert, key := c.String(flagTLSCert), c.String(flagTLSKey)
	if (cert == "") != (key == "") {
		return nil, command.UsageErrorf("--%s and --%s go together", flagTLSCert, flagTLSKey)
	}
	local, err := listen.IsLoopback(c.String(command.FlagListen))
	if err != nil {
		return nil, notAnAddress(c)
	}
	if cert == "" {
		if !local && !c.Bool(flagAllowRemote) {
			return nil, command.WithHint(command.UsageErrorf("--%s %s can be reached from other machines, without authentication or encryption", command.FlagListen, c.String(command.FlagListen)),
				fmt.Sprintf("give --%s and --%s, or --%s if that is what you want", flagTLSCert, flagTLSKey, flagAllowRemote))
		}
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("loading --%s %s and --%s %s: %w", flagTLSCert, cert, flagTLSKey, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// banner tells a person what to do with the shim.
func (a *app) banner(scheme, addr, stores, private string) error {
	url, err := listen.URL(scheme, addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "modferry %s serves %s at %s\n\n", command.BuildVersion(), stores, url)
	for _, v := range goSettings(url, private) {
		fmt.Fprintf(a.Err, "    export %s=%s\n", v.Name, shell.Quote(v.Value))
	}
	_, err = fmt.Fprint(a.Err, bannerText)
	return err
}

const bannerText = `
The checksum database is served, too: leave GOSUMDB as it is, and the go command verifies every public module against
the log itself. Private modules are not in the log; GONOSUMDB names them (--private). "modferry env" prints these lines
for other shells, "modferry doctor" finds out what is wrong.

`
