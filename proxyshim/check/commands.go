package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modferry/modferry/registry/gocmd"
	"github.com/modferry/modferry/registry/project"
	"github.com/modferry/modferry/registry/safetext"
)

// runner runs the commands.
type runner struct {
	o     Options
	goCmd *gocmd.Cmd
	temp  string // for the skeleton of the project that a command may change

	results []Result
	failed  bool // one of them
}

// invoke runs a go command at the project's root, on the go.mod and go.sum files that the project has, not on what another
// command has made of them: "go mod download" adds to an incomplete go.sum what keeps everything after it from building
// where it did not run. Flags are those of the subcommand.
func (r *runner) invoke(ctx context.Context, goCmd *gocmd.Cmd, subcommand []string, flagsAndArgs ...string) ([]byte, error) {
	skeleton, err := r.o.Project.Skeleton(r.temp)
	if err != nil {
		return nil, err
	}
	if skeleton.Work == nil {
		subcommand = append(slices.Clone(subcommand), "-modfile="+filepath.Join(skeleton.Root, "go.mod"))
	} else {
		file := filepath.Join(skeleton.Root, "go.work")
		if err := r.o.Project.WriteWork(file); err != nil {
			return nil, err
		}
		goCmd = goCmd.With("GOWORK=" + file)
	}
	return goCmd.Run(ctx, r.o.Project.Root, append(subcommand, flagsAndArgs...)...)
}

// runAll runs every command, whatever became of those before. It fails when one could not be run.
func (r *runner) runAll(ctx context.Context) error {
	if err := r.run(ctx, r.goCmd, Result{}, []string{"mod", "download"}); err != nil {
		return err
	}
	platforms := r.o.Platforms
	if len(platforms) == 0 {
		platforms = []string{here()}
	}
	for i, p := range platforms {
		if slices.Contains(platforms[:i], p) {
			continue
		}
		if err := r.runBuilds(ctx, p); err != nil {
			return err
		}
	}
	if err := r.run(ctx, r.goCmd, Result{}, []string{"mod", "verify"}); err != nil {
		return err
	}
	skeleton, err := r.o.Project.Skeleton(r.temp) // one for all, as each module has files of its own
	if err != nil {
		return err
	}
	for _, m := range skeleton.Modules {
		if err := r.runTidy(ctx, m); err != nil {
			return err
		}
	}
	if err := r.run(ctx, r.goCmd, Result{}, []string{"list"}, "-m", "all"); err != nil || !r.o.DownloadAll {
		return err
	}
	return r.run(ctx, r.goCmd, Result{}, []string{"mod", "download"}, "all")
}

// run runs a command as invoke does, which result calls Command if it has one.
func (r *runner) run(ctx context.Context, goCmd *gocmd.Cmd, result Result, subcommand []string, args ...string) error {
	result.Command = cmp.Or(result.Command, "go "+strings.Join(append(slices.Clone(subcommand), args...), " "))
	start := time.Now()
	_, err := r.invoke(ctx, goCmd, subcommand, args...)
	return r.finish(ctx, result, start, err)
}

// runBuilds builds and vets all packages for a platform.
func (r *runner) runBuilds(ctx context.Context, platform string) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	goCmd := r.goCmd.With("GOOS="+goos, "GOARCH="+goarch)
	result := Result{Platform: platform}
	if _, set := os.LookupEnv("CGO_ENABLED"); !set && platform != here() {
		goCmd = goCmd.With("CGO_ENABLED=0") // there is no C compiler for it, as far as anybody said
		result.Output = "with CGO_ENABLED=0, unless the environment says otherwise:\n"
	}
	packages := r.o.Project.Patterns()
	if r.o.Tags != "" {
		packages = append([]string{"-tags=" + r.o.Tags}, packages...)
	}
	// Nothing to build is a success for build and a failure for vet, and proves nothing.
	listed, err := r.invoke(ctx, goCmd, []string{"list"}, packages...)
	none := err == nil && len(bytes.TrimSpace(listed)) == 0
	// Not shown is the option that changes nothing of what is fetched: a binary may have the name of a directory.
	for _, command := range [][]string{{"build", "-o", os.DevNull}, {"vet"}} {
		result.Command = "go " + command[0] + " " + strings.Join(packages, " ")
		if none {
			r.report(Result{Command: result.Command, Platform: platform, Skipped: "the project has no package for it"})
			continue
		}
		if err := r.run(ctx, goCmd, result, command, packages...); err != nil {
			return err
		}
	}
	return nil
}

// runTidy finds out whether a main module is tidy, and whether that can be found out. It compares what "go mod tidy" makes
// of the module, for that takes a go.sum in another order or with other ends of lines for tidy, and -diff does not.
func (r *runner) runTidy(ctx context.Context, m project.Module) error {
	result := Result{Command: "go mod tidy", Dir: relative(r.o.Project.Root, m.Source)}
	start := time.Now()
	if err := m.StandAlone(); err != nil {
		return err
	}
	before := m.Lines()
	_, err := r.goCmd.Run(ctx, m.Source, "mod", "tidy", "-modfile="+filepath.Join(m.Dir, "go.mod"))
	after := m.Lines()
	goMod, goSum := before.Changes(after)
	switch {
	case err != nil || len(goMod)+len(goSum) == 0:
		return r.finish(ctx, result, start, err)
	case before.RequireAny(m.Alone) || after.RequireAny(m.Alone):
		// The difference may be what those need, which the project could not do away with.
		result.Skipped = "modules of the workspace stand here in the place of versions that were not published, so what is untidy cannot be told"
	default:
		result.Untidy, result.Elapsed = true, time.Since(start)
		result.Output = excerpt(changed("go.mod", goMod) + changed("go.sum", goSum))
	}
	r.report(result)
	return context.Cause(ctx)
}

func relative(root, dir string) string {
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == "." {
		return ""
	}
	return filepath.ToSlash(rel)
}

// finish completes the result of a command that ended with err, of which Output is what
// introduces what a failing command wrote. It fails when it was not the command that failed.
func (r *runner) finish(ctx context.Context, result Result, start time.Time, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var failure *gocmd.Error
	if err != nil && (!errors.As(err, &failure) || !failure.Exited()) {
		return err
	}
	result.Elapsed = time.Since(start)
	result.OK = err == nil
	if failure == nil {
		result.Output = ""
	} else {
		result.Output += excerpt(strings.ReplaceAll(failure.Stderr, r.temp, ""))
	}
	r.report(result)
	return nil
}

func (r *runner) report(result Result) {
	result.Command, result.Dir = safetext.Lines([]byte(result.Command)), safetext.Lines([]byte(result.Dir)) // the project named the directories
	r.results = append(r.results, result)
	r.failed = r.failed || result.Failed()
	if r.o.Report != nil {
		r.o.Report(result)
	}
}
