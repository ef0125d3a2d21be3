package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/record"
	"github.com/modferry/modferry/registry/safetext"
)

// Tool finds out what "go install pkg@query" needs on each platform (os/arch; none = this machine's), and a module that
// has the package as its tool, by "go get -tool", to be tidied, listed and downloaded. Query is anything that the go
// command takes; "" is latest. Tool returns the module version that it means. Nothing is compiled or run. If this Go is
// too old to install the tool, what the go.mod of its module requires is returned, with a warning. From is who needs
// what nothing more exact is known of; "" = pkg@query.
func (r *Runner) Tool(ctx context.Context, pkg, query string, platforms []string, from string) (m module.Version, _ *Result, err error) {
	query = cmp.Or(query, "latest")
	defer func() {
		if err != nil {
			err = fmt.Errorf("finding out what the tool needs: %w", safetext.Naming(pkg+"@"+query, err))
		}
	}()
	if err := module.CheckImportPath(pkg); err != nil {
		return m, nil, err
	}
	if len(platforms) == 0 {
		platforms = []string{runtime.GOOS + "/" + runtime.GOARCH}
	}
	v, err := r.view(pkg+"@"+query, from)
	if err != nil {
		return m, nil, err
	}
	defer v.end(&err)
	v.foreign = true
	if isPrivate := func(path string) bool { return module.MatchPrefixPatterns(r.o.Private, path) }; isPrivate(pkg) {
		// The go command looks for the package in modules of every prefix of its path. A version that the tool requires it
		// must get: of that, it asks for the go.mod first.
		v.Hide(func(f goproxy.File) bool {
			isRequired := func(got record.Fetched) bool { return got.Module == f.Version && got.GoMod }
			return f.Kind != goproxy.Mod && f.Kind != goproxy.Zip && strings.HasPrefix(pkg, f.Path+"/") && !isPrivate(f.Path) &&
				!slices.ContainsFunc(v.Fetched(), isRequired)
		})
	}
	_, failed := v.install(ctx, pkg+"@"+query, platforms[0], "0")
	got, err := v.provider(ctx, pkg)
	if err != nil {
		return m, nil, err
	}
	if m = got.version(); m.Path == "" {
		return m, nil, v.failure(m, cmp.Or(failed, errors.New("no module provides it")))
	}
	v.need(m, false)
	if got.tooOld != nil {
		v.warn("running go install; only what the go.mod of its module requires is known", got.tooOld)
		v.addRequired(got)
	} else if err := v.installAll(ctx, pkg+"@"+m.Version, platforms); err != nil {
		return m, nil, err
	} else if _, err := v.consumer(ctx, got, []string{pkg}, false); err != nil {
		v.warn("as a tool of a module", err)
	}
	result, err := v.result(ctx)
	if have := v.goCmd.Version(); err == nil && have != "" && version.Compare(have, got.goVersion()) < 0 {
		result.Demands = got.goVersion()
	}
	return m, result, err
}

// install runs "go install -n" for a platform.
func (v *view) install(ctx context.Context, pkg, platform, cgo string) ([]byte, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	return v.run(ctx, place{v.goCmd.With("GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED="+cgo), v.dir, ""}, "install", "-n", pkg)
}

// provider returns the module that a go command found a package in: of those that it fetched, that with the longest path. It is
// none if no module has it. As long as nobody knows whether a module with a longer path exists, a shorter one is not it.
func (v *view) provider(ctx context.Context, pkg string) (downloaded, error) {
	isAbove := func(modPath string) bool { return pkg == modPath || strings.HasPrefix(pkg, modPath+"/") }
	var found downloaded
	for _, f := range slices.Backward(v.Fetched()) { // longer paths come first
		if !f.Zip || !isAbove(f.Module.Path) {
			continue
		}
		got, err := v.fetch(ctx, f.Module)
		if err != nil {
			return got, err
		}
		has, err := HasPackage(got.version(), got.Zip, pkg)
		if err != nil {
			return got, err
		}
		if has {
			found = got
			break
		}
	}
	for _, f := range v.Failed() {
		if isAbove(f.Module.Path) && len(f.Module.Path) > len(found.Path) && !errors.Is(f.Err, fs.ErrNotExist) {
			return found, fmt.Errorf("looking for it in %s@%s: %w", f.Module.Path, cmp.Or(f.Module.Version, "latest"), f.Err)
		}
	}
	return found, nil
}

// HasPackage reports whether a module version's zip file has Go files in a package's directory.
func HasPackage(m module.Version, zip, pkg string) (bool, error) {
	files, err := modzip.CheckZip(m, zip)
	if err != nil {
		return false, err
	}
	dir := m.String() + strings.TrimPrefix(pkg, m.Path)
	return slices.ContainsFunc(files.Valid, func(name string) bool { return path.Ext(name) == ".go" && path.Dir(name) == dir }), nil
}

// installAll adds what "go install" fetches on each platform, with and without cgo. It is an error if
// that works on none. That a program cannot do without cgo is in order.
func (v *view) installAll(ctx context.Context, pkg string, platforms []string) error {
	var failed []error
	for _, p := range platforms {
		_, without := v.install(ctx, pkg, p, "0")
		_, with := v.install(ctx, pkg, p, "1")
		switch {
		case without != nil && with != nil:
			failed = append(failed, without)
		case with != nil:
			v.warn("installing", with)
		}
	}
	if len(failed) == len(platforms) {
		return failed[0]
	}
	for _, err := range failed {
		v.warn("installing", err)
	}
	return nil
}
