package gitsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/goproxy"
)

// directory is the tree of the plain files on disk, which are all that module zips have.
type directory struct {
	root  string
	names []string // sorted
}

// readDirectory reads a directory, but for what version control systems keep in it.
func readDirectory(root string) (*directory, error) {
	d := &directory{root: root}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{".git", ".hg", ".svn", ".bzr"}, e.Name()):
			if e.IsDir() {
				return filepath.SkipDir
			}
		case e.Type().IsRegular():
			d.names = append(d.names, name)
		}
		return nil
	})
	slices.Sort(d.names)
	return d, err
}

// workTree reads those files of the work tree that are committed or could be: what git ignores is not
// among them, and neither are those of a submodule. (Its index goes on naming those of a directory that a link has replaced.)
func (r *repo) workTree(ctx context.Context) (*directory, error) {
	d, err := readDirectory(r.top)
	if err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	known := &directory{names: fields(out)}
	slices.Sort(known.names)
	d.names = slices.DeleteFunc(d.names, func(name string) bool { return !known.has(name) })
	return d, err
}

func (d *directory) has(name string) bool {
	_, ok := slices.BinarySearch(d.names, name)
	return ok
}

func (d *directory) list() []string { return d.names }

func (d *directory) read(_ context.Context, name string) ([]byte, error) {
	f, err := diskFile{d.root, name, name}.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return artifact.ReadAll(f, name, modzip.MaxGoMod)
}

func tooLarge(name string) error {
	return fmt.Errorf("%s is larger than %d bytes: %w", name, modzip.MaxGoMod, artifact.ErrLimit)
}

// files are those of the module, with the LICENSE of the root if it has none of its own.
func (d *directory) files(l *location) (files []modzip.File) {
	for _, name := range d.names {
		in, ok := name, true
		if l.dir != "." {
			in, ok = strings.CutPrefix(name, l.dir+"/")
		}
		if ok {
			files = append(files, diskFile{d.root, name, in})
		}
	}
	if d.has("LICENSE") && !d.has(path.Join(l.dir, "LICENSE")) {
		files = append(files, diskFile{d.root, "LICENSE", "LICENSE"})
	}
	return files
}

// diskFile is a modzip.File in a directory. A link that takes its place meanwhile leads no further than that.
type diskFile struct {
	root string
	name string // from there
	path string // in the module
}

func (f diskFile) file() string { return filepath.FromSlash(f.name) }

// Path implements modzip.File.
func (f diskFile) Path() string { return f.path }

// Lstat implements modzip.File.
func (f diskFile) Lstat() (fs.FileInfo, error) { return os.Lstat(filepath.Join(f.root, f.file())) }

// Open implements modzip.File.
func (f diskFile) Open() (io.ReadCloser, error) { return os.OpenInRoot(f.root, f.file()) }

// packDirectory makes a version of a directory that is in no repository.
func (p *Package) packDirectory(ctx context.Context, dir string, o Options) error {
	if o.Version == "" || o.Revision != "" {
		return fmt.Errorf("%w: the directory is not in a git repository, so the version must be given, and no revision", ErrVersion)
	}
	d, err := readDirectory(dir)
	if err != nil {
		return err
	}
	l, err := locate(ctx, d, ".", o.Module)
	if err != nil {
		return err
	}
	return p.packFiles(d, l, o.Version, nil)
}

// packFiles makes a version of the files as they are. It has no time: the same files are to be the same version, whenever
// they were written.
func (p *Package) packFiles(d *directory, l *location, version string, from *origin) error {
	version, err := l.version(version)
	if err != nil {
		return err
	}
	m := module.Version{Path: l.path, Version: version}
	p.Files = artifact.Files{Module: m, GoMod: l.goMod, ZipFile: filepath.Join(p.dir, "module.zip")}
	if l.goMod == nil {
		p.Files.GoMod = goproxy.GoMod(l.path)
	}
	if p.Files.Info, err = json.Marshal(info{Version: version, Origin: from}); err != nil {
		return err
	}
	p.noteGoMod(l)
	f, err := os.Create(p.Files.ZipFile)
	if err != nil {
		return err
	}
	return errors.Join(modzip.Create(f, m, d.files(l)), f.Close())
}
