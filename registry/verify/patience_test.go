package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/stores"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/verify"
)

func openStore(t *testing.T, ref string) *registry.Store {
	t.Helper()
	client, err := remote.NewClient(remote.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := stores.Open(client, ref)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASignatureThatIsOnItsWayIsWaitedFor(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	s := openStore(t, reg.Host()+"/golang")
	signer := signtest.Signer(t, 0)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	storetest.Publish(t, s, a, signer)
	mod, err := s.Find(t.Context(), artifacttest.Version)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		missing int // times that the signature is not there
		patient int // times that the checker waits
		want    error
	}{
		"there at once":      {0, 0, nil},
		"there after a wait": {2, 2, nil},
		"not there":          {-1, 3, sign.ErrUnsigned},
	} {
		reg.Heal()
		reg.Inject(registrytest.Answer(404, "MANIFEST_UNKNOWN", "").For(sign.Tag(a.Descriptor.Digest)).Times(test.missing))
		waited := 0
		c := verify.Checker{
			Verifier: signer.Verifier(), Private: "*",
			Patience: func(context.Context, *registry.Store, int) bool {
				if waited == test.patient {
					return false
				}
				waited++
				return true
			},
		}
		_, err := c.Check(t.Context(), s, mod, verify.Known{})
		if !errors.Is(err, test.want) || waited != test.patient {
			t.Errorf("%s: waited %d times, %v", name, waited, err)
		}
		if err != nil && !strings.Contains(err.Error(), "may be on its way") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASignatureThatACacheCannotGetIsAnOutage(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{})
	signer := signtest.Signer(t, 0)
	storetest.Publish(t, openStore(t, reg.Host()+"/golang"), artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	reg.Inject(registrytest.CacheWithoutUpstream("v1.2.3"))
	client, err := remote.NewClient(remote.ClientOptions{MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s, err := stores.Open(client, reg.Host()+"/golang")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := s.Find(t.Context(), artifacttest.Version)
	if err != nil {
		t.Fatal(err)
	}
	c := verify.Checker{Verifier: signer.Verifier(), Private: "*"}
	if _, err = c.Check(t.Context(), s, mod, verify.Known{}); verify.Classify(err) != verify.Unavailable || errors.Is(err, sign.ErrUnsigned) {
		t.Errorf("%v", err)
	}
}

func TestPatienceEndsAfterSecondsAndIsNotRepeatedForAMinute(t *testing.T) {
	s, layout := openStore(t, "registry.invalid/golang"), openStore(t, "oci:"+t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		p := verify.NewPatience()
		wait := func(s *registry.Store) time.Duration {
			start := time.Now()
			for again := 0; p(t.Context(), s, again); again++ {
			}
			return time.Since(start)
		}
		if d := wait(layout); d != 0 {
			t.Errorf("a directory was waited for: %v", d)
		}
		if d := wait(s); d != 3500*time.Millisecond {
			t.Errorf("waited %v", d)
		}
		if d := wait(s); d != 0 {
			t.Errorf("waited %v after waiting in vain", d)
		}
		time.Sleep(time.Minute)
		if d := wait(s); d == 0 {
			t.Error("never waited again")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p(ctx, s, 1) {
			t.Error("waited for nobody")
		}
	})
}
