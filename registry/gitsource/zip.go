package gitsource

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modferry/modferry/artifact"
)

const license = "LICENSE"

// writeZip writes the module zip.
func (c *choice) writeZip(ctx context.Context, m module.Version, name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if c.commit == nil {
		return c.zipDir(ctx, m, f)
	}
	archive, err := c.repo.archive(ctx, c.commit, c.dir, filepath.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(archive)) }()
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("reading git archive: %w", err)
	}
	defer z.Close()
	return c.create(ctx, m, f, archived(&z.Reader, c.dir))
}

// zipDir writes the zip of a directory: of what git knows, if it is in a repository.
func (c *choice) zipDir(ctx context.Context, m module.Version, w io.Writer) error {
	dir := filepath.Join(c.root, filepath.FromSlash(c.dir))
	names := c.files
	if c.repo == nil {
		var err error
		if names, err = walk(dir); err != nil {
			return err
		}
	}
	return c.create(ctx, m, w, onDisk(dir, names))
}

// create writes the zip of the files, with the LICENSE from the root if there is none among them.
func (c *choice) create(ctx context.Context, m module.Version, w io.Writer, files []modzip.File) error {
	var links []string
	licensed := false
	for _, f := range files {
		if f.Path() == "go.mod" {
			if err := c.checkGoMod(f); err != nil {
				return err
			}
		}
		licensed = licensed || f.Path() == license
		if st, err := f.Lstat(); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			links = append(links, f.Path())
		}
	}
	if len(links) > 0 {
		c.note("symbolic links are left out, as module zips have none: %s", few(links))
	}
	if c.dir != "" && !licensed {
		data, err := c.reader()(ctx, license)
		switch {
		case err == nil:
			files = append(files, dataFile{license, data})
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return modzip.Create(w, m, files)
}

// checkGoMod checks that the go.mod file gets into the zip as it is.
func (c *choice) checkGoMod(f modzip.File) error {
	if c.goMod == nil {
		return nil // it is no plain file, and not taken
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, modzip.MaxGoMod+1))
	if err == nil && !bytes.Equal(data, c.goMod) {
		err = fmt.Errorf("%w: %s is not in the archive as it was committed, perhaps with other line ends; a line \"go.mod -text -filter -ident\" at the end of .gitattributes leaves it alone",
			ErrAttributes, c.file())
	}
	return err
}

// few names the first of many.
func few(names []string) string {
	const enough = 5
	s := strings.Join(names[:min(enough, len(names))], ", ")
	if len(names) > enough {
		s += fmt.Sprintf(" and %d more", len(names)-enough)
	}
	return s
}

const archivePrefix = "prefix/"

// archive writes the files of a directory at a commit to a zip in temp and returns its name.
//
// As the go command does it, git archive runs in a repository that has nothing but the objects, so that the local
// configuration and attributes do not matter; and of the attributes in the tree those do not that would change the
// archive itself. (Others do: a file with eol=crlf has such line ends in the module.) The user's own configuration
// does matter, as it does there. Git LFS, if that is set up in it, finds the files that the repository has.
func (r *repo) archive(ctx context.Context, c *commit, dir, temp string) (name string, err error) {
	bare := filepath.Join(temp, "git")
	defer func() { err = errors.Join(err, os.RemoveAll(bare)) }()
	g, err := r.bare(ctx, bare, c)
	if err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(temp, "archive.zip"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	args := []string{
		"-c", "core.autocrlf=input", "-c", "core.eol=lf", "-c", "lfs.storage=" + filepath.Join(r.common, "lfs"),
		"archive", "--format=zip", "--prefix=" + archivePrefix, c.hash,
	}
	if dir != "" {
		args = append(args, "--", dir)
	}
	err = g.run(ctx, &limitedWriter{dst: f, left: artifact.MaxZip}, "", args...)
	return f.Name(), r.explain(ctx, err)
}

// bare makes a repository that has the objects of r, and no reference.
func (r *repo) bare(ctx context.Context, dir string, c *commit) (*git, error) {
	hash := "sha1"
	if len(c.hash) == 64 {
		hash = "sha256"
	}
	g := &git{cmd: r.cmd, dir: filepath.Dir(dir), env: append(slices.Clone(r.env), "GIT_DIR="+dir, "GIT_DEFAULT_HASH="+hash)}
	if _, err := g.output(ctx, "init", "--quiet", "--bare", "--template="); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o700); err != nil {
		return nil, err
	}
	g.env = append(g.env, "GIT_OBJECT_DIRECTORY="+filepath.Join(r.common, "objects"))
	return g, os.WriteFile(filepath.Join(dir, "info", "attributes"), []byte("* -export-subst -export-ignore\n"), 0o600)
}

// archived are the files in an archive, from the directory.
func archived(z *zip.Reader, dir string) []modzip.File {
	prefix := archivePrefix
	if dir != "" {
		prefix += dir + "/"
	}
	var files []modzip.File
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, prefix)
		if ok && name != "" && !strings.HasSuffix(name, "/") {
			files = append(files, archivedFile{name, f})
		}
	}
	return files
}

// archivedFile is a modzip.File in an archive.
type archivedFile struct {
	name string
	f    *zip.File
}

func (f archivedFile) Path() string                 { return f.name }
func (f archivedFile) Lstat() (fs.FileInfo, error)  { return f.f.FileInfo(), nil }
func (f archivedFile) Open() (io.ReadCloser, error) { return f.f.Open() }

// walk returns the names of the files in a directory, but for those of version control and of
// the modules in directories below it.
func walk(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		if d.Name() == ".git" && !d.IsDir() {
			return nil // in a work tree or a submodule: where its repository is
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".hg", ".svn", ".bzr"}, d.Name()) {
				return filepath.SkipDir
			}
			if st, err := os.Lstat(filepath.Join(file, "go.mod")); err == nil && !st.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, file)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

// onDisk are those of the named files that are there. Git's index goes on naming the files of a directory that a link
// has taken the place of; those behind the link are others.
func onDisk(root string, names []string) []modzip.File {
	var files []modzip.File
	for _, name := range names {
		file := filepath.Join(root, filepath.FromSlash(name))
		if st, err := os.Lstat(file); err == nil && !st.IsDir() && inTree(root, name) {
			files = append(files, diskFile{root, name})
		}
	}
	return files
}

// diskFile is a modzip.File below a directory. A link that takes its place meanwhile leads no further than that.
type diskFile struct{ root, name string }

func (f diskFile) file() string                 { return filepath.FromSlash(f.name) }
func (f diskFile) Path() string                 { return f.name }
func (f diskFile) Lstat() (fs.FileInfo, error)  { return os.Lstat(filepath.Join(f.root, f.file())) }
func (f diskFile) Open() (io.ReadCloser, error) { return os.OpenInRoot(f.root, f.file()) }

// dataFile is a modzip.File in memory, and its own fs.FileInfo.
type dataFile struct {
	name string
	data []byte
}

func (f dataFile) Path() string                 { return f.name }
func (f dataFile) Lstat() (fs.FileInfo, error)  { return f, nil }
func (f dataFile) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }
func (f dataFile) Name() string                 { return path.Base(f.name) }
func (f dataFile) Size() int64                  { return int64(len(f.data)) }
func (f dataFile) Mode() fs.FileMode            { return 0o644 }
func (f dataFile) ModTime() time.Time           { return time.Time{} }
func (f dataFile) IsDir() bool                  { return false }
func (f dataFile) Sys() any                     { return nil }
