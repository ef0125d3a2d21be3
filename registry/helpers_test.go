package registry

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/mod/module"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/registrytest"
)

const namespace = "golang"

// anonymous are the credentials of someone who never logged in.
func anonymous(context.Context, string) (auth.Credential, error) {
	return auth.EmptyCredential, nil
}

// newClient returns a client that does not wait for long.
func newClient(t testing.TB, o ClientOptions) *Client {
	t.Helper()
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Microsecond, time.Millisecond
	}
	if o.Credentials == nil {
		o.Credentials = anonymous
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newRegistry returns a registry and a store in it.
func newRegistry(t testing.TB, o registrytest.Options) (*registrytest.Registry, *Store) {
	t.Helper()
	reg := registrytest.New(t, o)
	return reg, open(t, newClient(t, ClientOptions{}), reg.Host()+"/"+namespace)
}

func open(t testing.TB, c *Client, ref string) *Store {
	t.Helper()
	s, err := c.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// signers have a key each. Making one is slow, by intention of who invented the
// key file's format, so that tests share them.
var signers = [...]func() (*sign.Signer, error){
	sync.OnceValues(newSigner), sync.OnceValues(newSigner), sync.OnceValues(newSigner),
}

// signerOf returns one of three signers.
func signerOf(t testing.TB, i int) *sign.Signer {
	t.Helper()
	s, err := signers[i]()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newSigner() (*sign.Signer, error) {
	dir, err := os.MkdirTemp("", "signer")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	password := []byte("secret")
	private, _, err := sign.Generate(password)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "cosign.key")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		return nil, err
	}
	return sign.LoadSigner(file, func() ([]byte, error) { return password, nil })
}

var version = module.Version{Path: "corp.example/Lib", Version: "v1.2.3"}

const (
	repo     = "corp.example/lib_u"
	fullRepo = namespace + "/" + repo
)

func later(v string) module.Version {
	return module.Version{Path: version.Path, Version: v}
}

// fullVersion builds an artifact of m with a zip that has text in it.
func fullVersion(t testing.TB, m module.Version, text string) *artifact.Artifact {
	t.Helper()
	return build(t, artifact.Files{Module: m, Info: info(m), GoMod: goMod(m), ZipFile: zipFile(t, m, text)})
}

func goMod(m module.Version) []byte { return []byte("module " + m.Path + "\n") }

// zipFile writes the zip of a module with go.mod and a file that has text in it.
func zipFile(t testing.TB, m module.Version, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "m.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, file := range []struct{ name, data string }{{"go.mod", string(goMod(m))}, {"text.txt", text}} {
		w, err := z.Create(m.String() + "/" + file.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, file.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

func modOnlyVersion(t testing.TB, m module.Version) *artifact.Artifact {
	t.Helper()
	return build(t, artifact.Files{Module: m, Info: info(m), GoMod: goMod(m)})
}

func info(m module.Version) []byte {
	return []byte(`{"Version":"` + m.Version + `","Time":"2024-01-02T03:04:05Z"}`)
}

func build(t testing.TB, f artifact.Files) *artifact.Artifact {
	t.Helper()
	a, err := artifact.Build(f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// publish publishes and fails the test on an error.
func publish(t testing.TB, s *Store, a *artifact.Artifact, signer *sign.Signer) Outcome {
	t.Helper()
	outcome, err := s.Publish(t.Context(), a, PublishOptions{Signer: signer, Pinned: true})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// image pushes a small image that is no module and returns its manifest.
func image(t testing.TB, s *Store, repo, tag string) (ocispec.Descriptor, []byte) {
	t.Helper()
	config := artifact.NewBlob(ocispec.MediaTypeImageConfig, []byte("{}"))
	if err := s.PushBlob(t.Context(), repo, config); err != nil {
		t.Fatal(err)
	}
	raw := []byte(`{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageManifest + `",` +
		`"config":{"mediaType":"` + ocispec.MediaTypeImageConfig + `","digest":"` + config.Descriptor.Digest.String() + `","size":2},"layers":[]}`)
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	if err := s.PushManifest(t.Context(), repo, d, raw, tag); err != nil {
		t.Fatal(err)
	}
	return d, raw
}
