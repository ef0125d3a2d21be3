package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/modferry/modferry/artifact/userfile"
)

// Certificates are the PEM files by which a shim serves HTTPS. They are read again when they change.
type Certificates struct {
	Cert, Key string // of the shim; both empty: plain HTTP
	ClientCA  string // who vouches for clients; empty: clients need no certificate
	Optional  bool   // a client may do without, for it has another credential
}

// Config returns the TLS configuration for HTTP/2 and HTTP/1.1, and what tells whether the files are in force as they are.
// Both are nil for plain HTTP.
func (c Certificates) Config(log *slog.Logger) (*tls.Config, func() error, error) {
	if c.Cert == "" {
		return nil, nil, nil
	}
	now, err := userfile.Follow(userfile.FollowOptions[*tls.Config]{
		What: "certificate", File: c.Cert, Limit: maxPEM, Load: c.load, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	config := base()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Get(), nil }
	return config, now.Fault, nil
}

func base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// maxPEM bounds a file of certificates, in bytes.
const maxPEM = 16 << 20

// load makes the configuration of the files.
func (c Certificates) load(read func(string) ([]byte, error)) (*tls.Config, error) {
	cert, err := read(c.Cert)
	var key []byte
	if err == nil {
		key, err = read(c.Key)
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.X509KeyPair(cert, key)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the certificate %s and its key %s: %w", c.Cert, c.Key, err)
	}
	config := base()
	config.Certificates = []tls.Certificate{pair}
	if c.ClientCA == "" {
		return config, nil
	}
	pem, err := read(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("loading who vouches for clients: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("loading who vouches for clients: %s holds no PEM certificate", c.ClientCA)
	}
	if c.Optional {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}
