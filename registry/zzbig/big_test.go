package zzbig

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/artifacttest"
	"github.com/modferry/modferry/artifact/sign/signtest"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/ocilayout"
)

func TestBig(t *testing.T) {
	s, err := ocilayout.Open(os.Getenv("BIG"))
	if err != nil {
		t.Fatal(err)
	}
	signer := signtest.Signer(t, 0)
	zip := artifacttest.ZipFile
	var g errgroup.Group
	g.SetLimit(4)
	for i := range 2000 {
		g.Go(func() error {
			for j := range 10 {
				m := module.Version{Path: fmt.Sprintf("example.com/organisation%d/module%d", i%50, i), Version: fmt.Sprintf("v1.%d.0", j)}
				a, err := artifact.Build(artifact.Files{Module: m, Info: artifacttest.Info(m), GoMod: artifacttest.GoMod(m), ZipFile: zip(t, m, "x")})
				if err != nil {
					return err
				}
				if _, err := s.Publish(t.Context(), a, registry.PublishOptions{Signer: signer, Recorded: true, Absent: true}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := errors.Join(g.Wait(), s.Close()); err != nil {
		t.Fatal(err)
	}
}
