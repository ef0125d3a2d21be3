package helm

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newNode returns a node with two stores in the place of registries, an upstream with one module, and everything that
// is not the chart's to make.
func newNode(t *testing.T) *node {
	t.Helper()
	root := t.TempDir()
	n := &node{t: t, root: root}
	for _, home := range []string{root, n.dir("work"), n.dir("tmp")} {
		// Else the go command leaves processes behind that write there.
		mode := filepath.Join(home, ".config/go/telemetry/mode")
		n.check(os.MkdirAll(filepath.Dir(mode), 0o755))
		n.check(os.WriteFile(mode, []byte("off"), 0o644))
	}
	upstream := filepath.Join(root, "upstream")
	n.instead = strings.NewReplacer(
		"corp.example=registry.example:8443/private,registry.example/golang", "oci:"+root+"/inside",
		"registry.example/golang", "oci:"+root+"/inside", "branch.example/golang", "oci:"+root+"/branch",
		"http://branch.example:5000/golang", "oci:"+root+"/branch",
		"https://proxy.example", upstream,
		"--listen=:7443", "--listen=:0", "--listen=:7070", "--listen=:0",
	)
	writeModule(t, upstream)
	keygen := exec.Command(modferry(t), "keygen")
	keygen.Dir, keygen.Env = root, []string{"COSIGN_PASSWORD=correct horse", "HOME=" + root}
	if out, err := keygen.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(root, name))
		n.check(err)
		return string(data)
	}
	cert, key := certificate(t, "first")
	pub := read("cosign.pub")
	n.data = map[string]map[string]string{
		"Secret/modferry-signing":       {"cosign.key": read("cosign.key"), "cosign.pub": pub, "password": "correct horse"},
		"Secret/modferry-keys":          {"a.pub": pub, "b.pub": pub},
		"ConfigMap/modferry-keys":       {"cosign.pub": pub},
		"Secret/modferry-tls":           {"tls.crt": cert, "tls.key": key, "ca.crt": cert},
		"Secret/release-name-proxy-tls": {"tls.crt": cert, "tls.key": key, "ca.crt": cert},
		"Secret/modferry-access":        {"access": tokenOf("ci", "first"), "htpasswd": tokenOf("ci", "first")},
		"Secret/registry-modules":       {".dockerconfigjson": `{"auths":{"registry.example":{"auth":"Y2k6c2VjcmV0"}}}`},
		"Secret/modferry-registry":      {".dockerconfigjson": `{"auths":{"registry.example":{"auth":"Y2k6c2VjcmV0"}}}`},
		"Secret/corp-ca":                {"root.pem": cert},
		"ConfigMap/corp-ca":             {"ca.crt": cert},
		"ConfigMap/mesh-ca":             {"ca.crt": cert},
		"Secret/registry-client":        {"tls.crt": cert, "tls.key": key},
		"ConfigMap/modferry-policy":     {"policy.yaml": policyOf("cosign.pub"), "cosign.pub": pub},
		"ConfigMap/modferry-mirror":     {"modferry.yaml": mirrorFile},
	}
	return n
}

const mirrorFile = "version: 1\nprivate: ['corp.example/*']\nmodules: [corp.example/lib@v1.0.0]\n"

func policyOf(file string) string {
	return "version: 1\nkeys: {k: {file: " + file + "}}\n" +
		"rules: [{modules: ['**'], signedBy: {anyOf: [k]}, checksumDatabase: none}]\n"
}

func tokenOf(name, token string) string {
	return fmt.Sprintf("%s:sha256-%x\n", name, sha256.Sum256([]byte(token)))
}

// certificate makes one for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}

// writeModule writes corp.example/lib v1.0.0 into a GOPROXY tree.
func writeModule(t *testing.T, dir string) {
	t.Helper()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, text := range map[string]string{"go.mod": "module corp.example/lib\n", "lib.go": "package lib\n"} {
		f, err := w.Create("corp.example/lib@v1.0.0/" + name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "corp.example/lib/@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"list": "v1.0.0\n", "v1.0.0.info": `{"Version":"v1.0.0","Time":"2026-01-02T03:04:05Z"}`,
		"v1.0.0.mod": "module corp.example/lib\n", "v1.0.0.zip": z.String(),
	} {
		if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// publish puts the module into the store as the mirror job does, where there is none.
func (n *node) publish() {
	n.t.Helper()
	cmd := exec.Command(modferry(n.t), "mirror", "--registry", "oci:"+n.root+"/inside", "--key", "cosign.key", "--static",
		"--private", "corp.example/*", "--upstream", filepath.Join(n.root, "upstream"), "corp.example/lib@v1.0.0")
	cmd.Dir, cmd.Env = n.root, []string{"COSIGN_PASSWORD=correct horse", "HOME=" + n.root, "PATH=" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%v\n%s", err, out)
	}
}
