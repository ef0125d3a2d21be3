package closure

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"io"
	"os"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/record"
	"github.com/modferry/modferry/registry/requirement"
	"github.com/modferry/modferry/registry/safetext"
)

// listed is what "go list -m -json" prints about a module.
type listed struct {
	Path, Version string
	GoVersion     string // of its go line
	Main          bool
	Replace       *module.Version
	Error         *struct{ Err string }
}

// downloaded is what "go mod download -json" prints about a module.
type downloaded struct {
	Path, Version, Error string
	Zip, GoMod           string // file names

	goMod  *modfile.File // see fetch
	tooOld error         // says that the go command is too old for it
}

func (d downloaded) version() module.Version { return module.Version{Path: d.Path, Version: d.Version} }

// goVersion is the Go version that its go line demands, as go1.26.0, or "".
func (d downloaded) goVersion() string {
	if d.goMod.Go == nil {
		return ""
	}
	return "go" + d.goMod.Go.Version
}

// list adds what "go list -m -e -json args..." lists, each with its .mod.
func (v *view) list(ctx context.Context, pl place, args ...string) {
	const doing = "reading the module graph"
	out, err := v.run(ctx, pl, append([]string{"list", "-m", "-e", "-json"}, args...)...)
	mods, broken := decode[listed](out)
	if err = errors.Join(err, broken); err != nil {
		v.warn(doing, err)
	}
	for _, m := range mods {
		if m.Error != nil {
			v.warnOf(doing, module.Version{Path: m.Path, Version: m.Version}, m.Error.Err)
			continue
		}
		used := module.Version{Path: m.Path, Version: m.Version}
		if m.Replace != nil {
			used = *m.Replace
		}
		if used.Version != "" && !m.Main { // else it is a directory
			v.need(used, true)
			v.goVersions[used] = m.GoVersion
		}
	}
}

// download runs "go mod download -json args...". What it fetches is recorded.
func (v *view) download(ctx context.Context, pl place, args ...string) {
	const doing = "downloading"
	out, err := v.run(ctx, pl, append([]string{"mod", "download", "-json"}, args...)...)
	mods, broken := decode[downloaded](out)
	for _, m := range mods {
		if m.Error != "" {
			v.warnOf(doing, m.version(), m.Error)
			err = nil // that is why it failed
		}
	}
	if err = errors.Join(err, broken); err != nil {
		v.warn(doing, err)
	}
}

// fetch has the go command download a version, and check it against the checksum database. If
// the go command is too old for it, the result has a zip, and says so.
func (v *view) fetch(ctx context.Context, m module.Version) (downloaded, error) {
	out, err := v.run(ctx, place{v.goCmd, v.dir, m.String()}, "mod", "download", "-json", m.String())
	if ctx.Err() != nil {
		return downloaded{}, context.Cause(ctx)
	}
	var got downloaded
	if broken := json.Unmarshal(out, &got); err == nil {
		err = broken
	}
	if got.Error != "" {
		err = v.oneLine(got.Error)
	}
	if got.Zip == "" {
		return downloaded{}, v.failure(m, cmp.Or(err, errors.New("go mod download names no zip")))
	}
	data, broken := os.ReadFile(got.GoMod)
	if broken == nil {
		got.goMod, broken = modfile.ParseLax(got.GoMod, data, nil)
	}
	if broken != nil || err == nil {
		return got, broken
	}
	if got.tooOld = v.checkGo(ctx, place{v.goCmd, v.dir, m.String()}, got.goVersion()); !errors.Is(got.tooOld, errTooOld) {
		return downloaded{}, v.failure(m, err)
	}
	return got, nil
}

// addRequired adds what the go.mod of a version requires.
func (v *view) addRequired(got downloaded) {
	for _, r := range got.goMod.Require {
		from := fmt.Sprintf("%s/go.mod:%d", got.version(), r.Syntax.Start.Line)
		v.needs.Add(requirement.Requirement{Module: r.Mod, From: from})
	}
}

// warnOf warns of what a go command wrote about a version, unless a file of that could not be had.
func (v *view) warnOf(doing string, m module.Version, text string) {
	err := v.oneLine(text)
	if slices.ContainsFunc(v.Failed(), func(f record.Failure) bool { return f.Module == m }) {
		err = &sourceError{err, errLacking}
	}
	v.warn(doing, err)
}

// oneLine makes an error of what a go command wrote.
func (v *view) oneLine(text string) error {
	return errors.New(safetext.Lines([]byte(v.readable(text))))
}

// decode reads JSON values one after the other.
func decode[T any](data []byte) ([]T, error) {
	var all []T
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var one T
		if err := d.Decode(&one); err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
		all = append(all, one)
	}
}

// errTooOld: the go command is older than a go line demands.
var errTooOld = errors.New("the go command is too old")

// checkGo fails if the go command that runs in a place is older than its file demands. GOTOOLCHAIN may make the one that is
// installed switch to a newer one. One whose release cannot be told is for the go command to judge.
func (v *view) checkGo(ctx context.Context, pl place, demanded string) error {
	have := pl.goCmd.Version()
	if have == "" || version.Compare(have, demanded) >= 0 {
		return nil
	}
	out, err := v.run(ctx, pl, "env", "GOVERSION")
	if err != nil {
		return err
	}
	if have = gocmd.Release(string(bytes.TrimSpace(out))); have == "" || version.Compare(have, demanded) >= 0 {
		return nil
	}
	return fmt.Errorf("%s demands %s, but this is %s: %w: install a newer Go, or set GOTOOLCHAIN=auto so that it fetches one",
		v.readable(pl.file), demanded, have, errTooOld)
}
