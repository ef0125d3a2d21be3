package registry

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/registry/registrytest"
)

func TestSignaturesThatCannotBeReadAreNotReplaced(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	a := fullVersion(t, version, "text")
	publish(t, s, a, signerOf(t, 0))
	tag := sign.Tag(a.Descriptor.Digest)
	before := reg.Manifest(fullRepo, tag)
	for name, fault := range map[string]registrytest.Fault{
		"denied": registrytest.Denied(), "unauthorized": registrytest.HarborProjectMissing(), "rotten": registrytest.WrongDigestBody(),
		"web server": registrytest.HTMLNotFound(), "policy": registrytest.Answer(http.StatusPreconditionFailed, "PRECONDITION", ""),
		"no content": registrytest.Answer(http.StatusNoContent, "", ""),
	} {
		reg.Heal()
		reg.Inject(fault.On(http.MethodGet, registrytest.Manifest).For(tag))
		if _, err := s.Publish(t.Context(), a, PublishOptions{Signer: signerOf(t, 1)}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	reg.Heal()
	if after := reg.Manifest(fullRepo, tag); !bytes.Equal(after, before) {
		t.Errorf("the signatures are now %s", after)
	}
	foreign := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	reg.SetManifest(fullRepo, tag, foreign)
	if _, err := s.Publish(t.Context(), a, PublishOptions{Signer: signerOf(t, 1)}); err == nil || !bytes.Equal(reg.Manifest(fullRepo, tag), foreign) {
		t.Errorf("%v; want an error and nothing replaced", err)
	}
}
