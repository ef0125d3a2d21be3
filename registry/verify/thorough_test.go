package verify_test

import (
	"context"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/artifact/sumdb/sumdbtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/verify"
)

// A store without a snapshot may have a record beside a version: what contradicts it is refused nevertheless.
func TestARecordThatContradictsIsSeenWithoutASnapshot(t *testing.T) {
	m := artifacttest.Version
	log, err := sumdb.ParseLog(sumdbtest.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	a := artifacttest.FullVersion(t, m, "x")
	other := artifacttest.FullVersion(t, m, "y").Manifest
	for name, test := range map[string]struct {
		says *artifact.Manifest
		want verify.Class
	}{
		"none":             {nil, verify.Accepted},
		"of this version":  {a.Manifest, verify.Accepted},
		"with another zip": {other, verify.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, "oci:"+t.TempDir())
			storetest.Publish(t, s, a, nil)
			if test.says != nil {
				text := m.Path + " " + m.Version + " " + test.says.Sum + "\n" + m.Path + " " + m.Version + "/go.mod " + test.says.GoModSum + "\n"
				record, err := sumdb.Record{ID: 1, Text: []byte(text)}.Format()
				if err == nil {
					err = s.PublishEvidence(t.Context(), artifact.Evidence{Module: m, Record: record}, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			mod, err := s.Find(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			c := verify.Checker{
				Verifier: sign.SkipVerify{}, Log: log, Thorough: true,
				Snapshot: func(context.Context, *registry.Store, bool) (*sumdb.Snapshot, error) { return nil, nil },
			}
			if _, err := c.Check(t.Context(), s, mod, verify.Known{}); verify.Classify(err) != test.want {
				t.Errorf("class %d: %v; want class %d", verify.Classify(err), err, test.want)
			}
		})
	}
}
