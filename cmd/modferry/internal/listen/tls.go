package listen

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/modferry/modferry/proxyshim/reload"
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
	files := []string{c.Cert, c.Key}
	if c.ClientCA != "" {
		files = append(files, c.ClientCA)
	}
	now, err := reload.New(log, c.read, files...)
	if err != nil {
		return nil, nil, err
	}
	config := base()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Get(), nil }
	return config, now.Err, nil
}

func base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// read reads the files.
func (c Certificates) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate %s and its key %s: %w", c.Cert, c.Key, err)
	}
	config := base()
	config.Certificates = []tls.Certificate{pair}
	if c.ClientCA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
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
