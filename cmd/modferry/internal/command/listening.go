package command

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/modferry/modferry/cmd/modferry/internal/listen"
	"github.com/modferry/modferry/proxyshim"
	"github.com/modferry/modferry/proxyshim/access"
	"github.com/modferry/modferry/proxyshim/events"
)

const (
	flagTLSCert         = "tls-cert"
	flagTLSKey          = "tls-key"
	flagClientCA        = "client-ca"
	flagAccess          = "access"
	flagAllowRemote     = "allow-remote"
	flagAllowHost       = "allow-host"
	flagClientDownloads = "client-downloads"
	flagShutdownTimeout = "shutdown-timeout"
	flagShutdownDelay   = "shutdown-delay"
)

// defaultShutdownTimeout is less than what orchestrators wait before they kill.
const defaultShutdownTimeout = 15 * time.Second

// ListenFlags say where a shim listens, and who may ask it.
func ListenFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: FlagListen, Value: DefaultListen, Usage: "listen on `ADDRESS`: host:port (port 0 takes a free one), or systemd for the socket that it passes"},
		&cli.StringFlag{Name: flagTLSCert, Usage: "serve HTTPS with the certificate chain in `FILE` (PEM), which is read again when it changes"},
		&cli.StringFlag{Name: flagTLSKey, Usage: "the private key in `FILE` (PEM) of the certificate"},
		&cli.StringFlag{Name: flagClientCA, Usage: "answer only clients with a certificate that one in `FILE` (PEM) vouches for, or, with --access, with another credential"},
		&cli.StringFlag{Name: flagAccess, Usage: "answer only clients that `FILE` lists, each what it may read there: name:bcrypt-hash[:prefixes] a line"},
		BoolFlag(flagAllowRemote, "listen on an address other machines can reach, without TLS"),
		&cli.StringSliceFlag{Name: flagAllowHost, Usage: "answer requests for the host `NAME`, a name or an address, as well as for this machine; repeat it, or separate with commas, for several"},
		&cli.IntFlag{Name: flagClientDownloads, Usage: "send each client `N` zips at a time, at most; 0 is no limit"},
		&cli.DurationFlag{Name: flagShutdownTimeout, Value: defaultShutdownTimeout, Usage: "when stopped, finish what is in flight within `DURATION`"},
		&cli.DurationFlag{Name: flagShutdownDelay, Usage: "of that time, go on taking requests for `DURATION`, while readiness is denied"},
	}
}

// Listening is how a shim listens, and for whom.
type Listening struct {
	Guard      *access.Guard // nil: nobody has to show a credential
	Hosts      []string      // that are answered for besides this machine, as [listen.Server] takes them
	Stop       listen.Stop   // without Drain
	Conditions []proxyshim.Condition

	address     string
	allowRemote bool
	tls         *tls.Config // nil: plain HTTP
	downloads   int         // at a time, for each client
}

// NewListening checks the options of [ListenFlags].
func NewListening(c *cli.Context, log *slog.Logger) (*Listening, error) {
	l := &Listening{address: c.String(FlagListen), allowRemote: c.Bool(flagAllowRemote), downloads: c.Int(flagClientDownloads)}
	l.Stop = listen.Stop{Timeout: c.Duration(flagShutdownTimeout), Delay: c.Duration(flagShutdownDelay)}
	if l.Stop.Delay < 0 || l.Stop.Timeout < l.Stop.Delay {
		return nil, UsageErrorf("--%s is a part of --%s", flagShutdownDelay, flagShutdownTimeout)
	}
	certs := listen.Certificates{Cert: c.String(flagTLSCert), Key: c.String(flagTLSKey), ClientCA: c.String(flagClientCA), Optional: c.String(flagAccess) != ""}
	switch {
	case (certs.Cert == "") != (certs.Key == ""):
		return nil, UsageErrorf("--%s and --%s go together", flagTLSCert, flagTLSKey)
	case certs.ClientCA != "" && certs.Cert == "":
		return nil, UsageErrorf("--%s needs --%s and --%s", flagClientCA, flagTLSCert, flagTLSKey)
	}
	if l.address != listen.Systemd {
		if _, err := listen.IsLoopback(l.address); err != nil {
			return nil, NotAnAddress(c)
		}
		if err := l.checkRemote(l.address, certs.Cert != ""); err != nil {
			return nil, err
		}
	}
	var err error
	if l.Hosts, err = allowedHosts(c); err != nil {
		return nil, err
	}
	return l, l.open(certs, c.String(flagAccess), log)
}

// open reads the files that the options name.
func (l *Listening) open(certs listen.Certificates, accessFile string, log *slog.Logger) error {
	config, inForce, err := certs.Config(log)
	if err != nil {
		return err
	}
	if l.tls = config; config != nil {
		l.Conditions = append(l.Conditions, proxyshim.Condition{Name: "certificate", Err: inForce})
	}
	if accessFile == "" {
		return nil
	}
	if l.Guard, err = access.Open(accessFile, log); err != nil {
		return fmt.Errorf("reading --%s: %w", flagAccess, err)
	}
	l.Conditions = append(l.Conditions, proxyshim.Condition{Name: "access", Err: l.Guard.Err})
	return nil
}

// checkRemote refuses an address that others can reach, unless that was asked for.
func (l *Listening) checkRemote(addr string, encrypted bool) error {
	local, err := listen.IsLoopback(addr)
	if err != nil || local || encrypted || l.allowRemote {
		return err
	}
	return WithHint(UsageErrorf("--%s %s can be reached from other machines, without encryption", FlagListen, addr),
		fmt.Sprintf("give --%s and --%s, or --%s if that is what you want", flagTLSCert, flagTLSKey, flagAllowRemote))
}

// Listen opens the listener; addr is its address, below TLS.
func (l *Listening) Listen(log *slog.Logger) (on net.Listener, addr net.Addr, scheme string, err error) {
	on, err = listen.Open(l.address)
	if err != nil {
		return nil, nil, "", WithHint(fmt.Errorf("starting the shim: %w", err), "is another shim running? --"+FlagListen+" chooses another address")
	}
	addr = on.Addr()
	if err := l.checkRemote(addr.String(), l.tls != nil); err != nil { // it was systemd that chose it
		return nil, nil, "", errors.Join(err, on.Close())
	}
	if l.tls != nil {
		return tls.NewListener(on, l.tls), addr, "https", nil
	}
	if local, _ := listen.IsLoopback(addr.String()); !local && l.Guard != nil {
		log.Warn("passwords and tokens travel without encryption, and the go command sends none but by HTTPS; what stands before this shim has to add it")
	}
	return on, addr, "http", nil
}

// Handler returns h with everything before it that decides who is answered.
func (l *Listening) Handler(h http.Handler) http.Handler {
	h = listen.LimitDownloads(h, l.downloads)
	if l.Guard != nil {
		h = l.Guard.Handler(events.Identify(h))
	}
	return h
}

// allowedHosts checks --allow-host.
func allowedHosts(c *cli.Context) ([]string, error) {
	var hosts []string
	for _, name := range c.StringSlice(flagAllowHost) {
		host, ok := proxyshim.ParseHost(name)
		if !ok {
			return nil, UsageErrorf("--%s %q is neither the name of a host nor an address, without port and wildcard", flagAllowHost, name)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// NotAnAddress is the error for a --listen that is no host:port.
func NotAnAddress(c *cli.Context) error {
	return UsageErrorf("--%s %q is not an address like %s", FlagListen, c.String(FlagListen), DefaultListen)
}
