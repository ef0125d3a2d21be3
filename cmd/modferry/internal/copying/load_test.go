package copying

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/cmd/modferry/internal/command"
	"github.com/modferry/modferry/registry/bundle"
	"github.com/modferry/modferry/registry/load"
	"github.com/modferry/modferry/registry/ocilayout"
	"github.com/modferry/modferry/registry/storetest"
	"github.com/modferry/modferry/registry/transfer"
	"github.com/modferry/modferry/registry/verify"
)

// A volume that cannot be opened is named, and the others are loaded.
func TestAVolumeThatIsNotThereHindersNoOther(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	store, err := ocilayout.Open(filepath.Join(dir, "store"))
	must(err)
	signer := signtest.Signer(t, 0)
	storetest.Publish(t, store, artifacttest.FullVersion(t, artifacttest.Version, "text"), signer)
	repo, err := artifact.Repository(artifacttest.Version.Path)
	must(err)
	item := transfer.Item{Repository: repo, Tag: artifacttest.Version.Version}
	p, err := bundle.NewPlan(t.Context(), store, []transfer.Item{item}, bundle.PlanOptions{})
	must(err)
	good, empty := filepath.Join(dir, "good.tar"), filepath.Join(dir, "empty")
	must(p.Create(t.Context(), good, bundle.WriteOptions{Signer: signer}, func(string) {}))
	must(store.Close())
	must(os.WriteFile(good+".parity", nil, 0o666))
	must(os.WriteFile(empty, nil, 0o666))
	log, err := sumdb.ParseLog(sumdb.DefaultLog)
	must(err)
	missing := filepath.Join(dir, "missing.tar")
	for name, test := range map[string]struct {
		volumes []string
		exit    int
		names   string
	}{
		"one is missing":     {[]string{missing, good}, command.ExitItems, missing},
		"one is no volume":   {[]string{empty, good}, command.ExitRefused, empty},
		"its sidecar alone":  {[]string{good + ".parity"}, command.ExitOK, ""},
		"and a sidecar":      {[]string{good, good + ".parity"}, command.ExitOK, ""},
		"one without volume": {[]string{missing + ".parity", good}, command.ExitItems, missing},
	} {
		to, err := ocilayout.Open(filepath.Join(t.TempDir(), "store"))
		must(err)
		var out, errs bytes.Buffer
		report := &Report{Out: &out, Err: &errs, Loads: true}
		wishes, err := OpenWishes("")
		must(err)
		l := Loads{Report: report, Wishes: wishes, Loader: load.Loader{
			Destination: to, TempDir: t.TempDir(),
			Checker: verify.Checker{Verifier: signer.Verifier(), Log: log, Private: "corp.example"},
		}}
		code := command.Report(&errs, report.End(l.Run(t.Context(), test.volumes)))
		if code != test.exit || report.Counts.Copied != 1 || !strings.Contains(errs.String(), test.names) {
			t.Errorf("%s: exit code %d, %+v:\n%s", name, code, report.Counts, errs.String())
		}
		must(to.Close())
	}
}
