package registry_test

import (
	"errors"
	"testing"

	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
)

func TestCountersignerSignsWhatIsTrusted(t *testing.T) {
	old, next := signtest.Signer(t, 0), bundler(t, 1, sign.Classic, sign.Bundle)
	a := artifacttest.FullVersion(t, artifacttest.Version, "text")
	log := newLog(t)
	_, snapshot := log.snapshot(t, 10, nil)
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, a, old)
		err := errors.Join(
			s.PublishEvidence(t.Context(), evidenceOf(artifacttest.Version, "1\nx\n\n"), old),
			s.PublishRevision(t.Context(), meaning("main", "v1.2.3"), old),
			s.PublishSnapshot(t.Context(), snapshot, log.Log, nil, old))
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Find(t.Context(), artifacttest.Version)
		if err != nil {
			t.Fatal(err)
		}
		for name, countersign := range map[string]func(c *registry.Countersigner) (bool, error){
			"version":  func(c *registry.Countersigner) (bool, error) { return c.Version(t.Context(), m) },
			"evidence": func(c *registry.Countersigner) (bool, error) { return c.Evidence(t.Context(), m) },
			"revision": func(c *registry.Countersigner) (bool, error) {
				return c.Revision(t.Context(), artifacttest.Version.Path, "main")
			},
			"snapshot": func(c *registry.Countersigner) (bool, error) {
				return c.Snapshot(t.Context(), log.Log, sumdb.LatestTag)
			},
		} {
			t.Run(name, func(t *testing.T) {
				for _, step := range []struct {
					what    string
					trusted *registry.Countersigner
					added   bool
					err     error
				}{
					{"trusting nobody who signed it", &registry.Countersigner{Store: s, Verifier: signtest.Signer(t, 2).Verifier(), Signer: next}, false, sign.ErrUntrusted},
					{"dry run", &registry.Countersigner{Store: s, Verifier: old.Verifier(), Signer: next, DryRun: true}, true, nil},
					{"for the first time", &registry.Countersigner{Store: s, Verifier: old.Verifier(), Signer: next}, true, nil},
					{"again", &registry.Countersigner{Store: s, Verifier: old.Verifier(), Signer: next}, false, nil},
					{"trusting the new key alone", &registry.Countersigner{Store: s, Verifier: next.Verifier(), Signer: next}, false, nil},
				} {
					added, err := countersign(step.trusted)
					if added != step.added || !errors.Is(err, step.err) {
						t.Errorf("%s: added %v, %v; want %v, %v", step.what, added, err, step.added, step.err)
					}
				}
			})
		}
	})
}

func TestCountersignerFindsNothingToSign(t *testing.T) {
	signer := signtest.Signer(t, 0)
	eachStore(t, func(t *testing.T, s *registry.Store) {
		storetest.Publish(t, s, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
		m, err := s.Find(t.Context(), artifacttest.Version)
		if err != nil {
			t.Fatal(err)
		}
		c := &registry.Countersigner{Store: s, Verifier: signer.Verifier(), Signer: signtest.Signer(t, 1)}
		if added, err := c.Evidence(t.Context(), m); added || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("evidence: %v, %v", added, err)
		}
		if added, err := c.Revision(t.Context(), artifacttest.Version.Path, "main"); added || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("revision: %v, %v", added, err)
		}
		if added, err := c.Snapshot(t.Context(), newLog(t).Log, sumdb.LatestTag); added || !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("snapshot: %v, %v", added, err)
		}
	})
}
