package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certificate NAME writes NAME.crt, a certificate for 127.0.0.1 that vouches for itself, and NAME.key.
func cmdCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: certificate NAME")
	}
	ts.Check(writeCertificate(ts.MkAbs(args[0]), args[0]))
}

// writeCertificate writes FILE.crt and FILE.key of a name and of this machine.
func writeCertificate(file, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	return errors.Join(err,
		writeFile(file+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		writeFile(file+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))))
}

// netrc NAME PASSWORD has the go command show that to the shim from now on. The port belongs to the name of the machine:
// the go command wants to see it there, unlike other programs.
func cmdNetrc(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 || neg {
		ts.Fatalf("usage: netrc NAME PASSWORD")
	}
	machine := strings.TrimPrefix(ts.Getenv("SHIM"), "https://")
	ts.Check(writeFile(ts.MkAbs(".netrc"), fmt.Sprintf("machine %s login %s password %s\n", machine, args[0], args[1])))
	ts.Setenv("NETRC", ts.MkAbs(".netrc"))
}
