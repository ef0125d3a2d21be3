package closure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
)

// fetch has the go command download a version, and check it against the checksum database. If
// the go command is too old for it, the result has a zip, and says so.
func (v *view) fetch(ctx context.Context, m module.Version) (downloaded, error) {
	out, err := v.run(ctx, v.goCmd, v.dir, "mod", "download", "-json", m.String())
	got, broken := decode[downloaded](out)
	switch {
	case ctx.Err() != nil:
		return downloaded{}, context.Cause(ctx)
	case len(got) == 1 && got[0].Error != "":
		return v.fetchNewer(ctx, m, v.because(m, v.oneLine(got[0].Error)))
	case err != nil:
		return v.fetchNewer(ctx, m, v.because(m, err.Error()))
	case broken != nil:
		return downloaded{}, broken
	case len(got) != 1 || got[0].Zip == "":
		return downloaded{}, errors.New("go mod download printed nothing")
	}
	return got[0], nil
}

// fetchNewer fetches a version that the go command refuses because it is too old. Otherwise,
// its error is refused. The checksum database is not asked: before anything is published, it is.
func (v *view) fetchNewer(ctx context.Context, m module.Version, refused error) (downloaded, error) {
	goMod := filepath.Join(v.dir, "newer.mod")
	if err := v.get(ctx, m, ".mod", goMod, modzip.MaxGoMod); err != nil {
		return downloaded{}, refused
	}
	demanded, err := goLine(goMod)
	if err != nil {
		return downloaded{}, refused
	}
	have, err := v.goVersion(ctx, v.goCmd, v.dir)
	if err != nil || !isOlder(have, demanded) {
		return downloaded{}, refused
	}
	zip := filepath.Join(v.dir, "newer.zip")
	if err := v.get(ctx, m, ".zip", zip, modzip.MaxZipFile); err != nil {
		return downloaded{}, err
	}
	tooOld := fmt.Errorf("%w; the go command said: %w", tooOldError(m.String(), demanded, have), refused)
	return downloaded{Path: m.Path, Version: m.Version, Zip: zip, GoMod: goMod, tooOld: tooOld}, nil
}

// ask requests a file of a version through the session.
func (v *view) ask(ctx context.Context, method string, m module.Version, ext string) (*http.Response, error) {
	name, err := goproxy.Base(m)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, v.URL()+"/"+name+ext, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// get fetches a file of a version through the session into a file.
func (v *view) get(ctx context.Context, m module.Version, ext, file string, limit int64) error {
	resp, err := v.ask(ctx, http.MethodGet, m, ext)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return v.because(m, "fetching its "+ext+": "+resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(resp.Body, limit+1))
	if n > limit {
		err = fmt.Errorf("%s of %s: more than %d bytes", ext, m, limit)
	}
	return errors.Join(err, f.Close())
}

// sourceError is what the go command said, because of an error of the source.
type sourceError struct {
	said  string
	cause error
}

// Error is what the go command said.
func (e *sourceError) Error() string { return e.said }

// Unwrap is the error of the source.
func (e *sourceError) Unwrap() error { return e.cause }

// because returns what the go command said about a version as an error that is also that of
// the source, if that failed.
func (v *view) because(m module.Version, said string) error {
	for _, f := range v.Failed() {
		if f.Module == m {
			return &sourceError{said, f.Err}
		}
	}
	return errors.New(said)
}

// goLine returns the Go version that the go.mod in a file demands, as go1.26.0, or "".
func goLine(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	f, err := modfile.ParseLax(file, data, nil)
	if err != nil || f.Go == nil {
		return "", err
	}
	return "go" + f.Go.Version, nil
}
