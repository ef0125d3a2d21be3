package check

import (
	"context"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/artifact/goproxy"
	"github.com/modferry/modferry/registry/project"
)

// probeJobs is how many files are asked for at a time.
const probeJobs = 8

// probe asks the shim for every file that the go.sum files of a project list. What it answers does not matter here: it
// remembers what it does not have. The go command stops asking at the first go.mod it cannot have, and every further
// one would cost a journey to the connected side.
func probe(ctx context.Context, proxy string, p *project.Project) {
	client := &http.Client{
		Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: probeJobs},
		Timeout:   10 * time.Minute, // a toolchain may have to come out of the store
	}
	defer client.CloseIdleConnections()
	own := p.Own() // of its versions, a go.sum may list what is no longer needed
	var group errgroup.Group
	group.SetLimit(probeJobs)
	asked := make(map[string]bool)
	for _, name := range p.SumFiles() {
		for _, file := range listedFiles(name, own) {
			if asked[file] || ctx.Err() != nil {
				continue
			}
			asked[file] = true
			group.Go(func() error {
				head(ctx, client, strings.TrimSuffix(proxy, "/")+"/"+file)
				return nil
			})
		}
	}
	_ = group.Wait() // nothing returns an error
}

func head(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, http.NoBody)
	if err != nil {
		return
	}
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
	}
}

// maxSumFile bounds a go.sum.
const maxSumFile = 64 << 20

// listedFiles returns the files, as a GOPROXY names them, of the versions that a go.sum file lists. What cannot be read of
// it is left to the go command to complain of.
func listedFiles(name string, own func(module.Version) bool) []string {
	data, err := project.ReadFile(name, maxSumFile)
	if err != nil {
		return nil
	}
	lines, _ := project.ParseSums(name, data)
	var files []string
	for _, l := range lines {
		f := goproxy.File{Version: l.Module, Kind: goproxy.Zip}
		if l.ModOnly {
			f.Kind = goproxy.Mod
		}
		if name, err := f.Name(); err == nil && !own(module.Version{Path: l.Module.Path}) {
			files = append(files, name)
		}
	}
	return files
}
