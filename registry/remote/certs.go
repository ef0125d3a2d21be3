package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// transports are the HTTP transports of a Client: one for all hosts, and one more for each registry with certificates of
// its own. A client certificate is shown to the registries that were opened, and to no other host, be it their token
// service or where they keep their blobs.
type transports struct {
	common *http.Transport
	cert   *tls.Certificate // shown to every registry; nil = none
	dirs   []string         // where each registry may have a directory of certificates

	mu  sync.RWMutex
	own map[string]*http.Transport // by host[:port]
}

// RoundTrip implements http.RoundTripper.
func (t *transports) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.RLock()
	own := t.own[req.URL.Host]
	t.mu.RUnlock()
	if own != nil {
		return own.RoundTrip(req)
	}
	return t.common.RoundTrip(req)
}

// open reads what certificates there are for a registry.
func (t *transports) open(host string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own[host] != nil {
		return nil
	}
	c := new(certificates)
	for _, dir := range t.dirs {
		if err := c.read(filepath.Join(dir, host)); err != nil {
			return fmt.Errorf("reading the certificates for %s: %w", host, err)
		}
	}
	if t.cert != nil {
		c.client = []tls.Certificate{*t.cert}
	}
	if c.client == nil && c.authorities == nil {
		return nil
	}
	own := t.common.Clone()
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	own.TLSClientConfig.Certificates = c.client
	for _, pem := range c.authorities {
		if own.TLSClientConfig.RootCAs == nil {
			own.TLSClientConfig.RootCAs = systemPool()
		} else {
			own.TLSClientConfig.RootCAs = own.TLSClientConfig.RootCAs.Clone()
		}
		own.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	t.own[host] = own
	return nil
}

// certificates are those of one registry.
type certificates struct {
	client      []tls.Certificate
	authorities [][]byte // PEM
}

// read reads a directory as docker and podman have it for a registry (certs.d/host:port; containers-certs.d(5)): of every
// NAME.cert the client certificate, whose key is in NAME.key, and of every .crt certificate authorities. One that is not
// there has nothing.
func (c *certificates) read(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, file := range files {
		name := filepath.Join(dir, file.Name())
		switch filepath.Ext(name) {
		case ".crt":
			pem, e := os.ReadFile(name)
			if e == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
				e = fmt.Errorf("%s holds no PEM certificate", name)
			}
			c.authorities, err = append(c.authorities, pem), errors.Join(err, e)
		case ".cert":
			pair, e := tls.LoadX509KeyPair(name, strings.TrimSuffix(name, ".cert")+".key")
			c.client, err = append(c.client, pair), errors.Join(err, e)
		}
	}
	return err
}

// certsDirs are the directories of docker and podman, the user's first.
func certsDirs() []string {
	dirs := []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}
	if config, err := os.UserConfigDir(); err == nil {
		dirs = slices.Insert(dirs, 0, filepath.Join(config, "containers", "certs.d"), filepath.Join(config, "docker", "certs.d"))
	}
	return dirs
}

// systemPool returns the certificates that the system trusts, as far as it tells.
func systemPool() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}
