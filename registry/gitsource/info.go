package gitsource

import (
	"context"
	"encoding/json"
	"time"

	"golang.org/x/mod/module"
)

// info is a .info file, with the fields in the order in which the go command has them.
type info struct {
	Version string
	Time    time.Time `json:",omitzero"`
	Origin  *origin   `json:",omitempty"`
}

// origin says where a version comes from. Its reference is that of the version's tag.
type origin struct {
	VCS    string
	URL    string `json:",omitempty"`
	Subdir string `json:",omitempty"` // what tags are prefixed with
	Hash   string `json:",omitempty"`
	Ref    string `json:",omitempty"`
}

// info returns the .info file. What is in a directory has no time: the same files are to be the same version, whenever
// they were written.
func (c *choice) info(ctx context.Context) ([]byte, error) {
	i := info{Version: c.version}
	if c.repo != nil {
		u, err := c.repo.remote(ctx)
		if err != nil {
			return nil, err
		}
		i.Origin = &origin{VCS: "git", URL: u, Subdir: c.codeDir}
	}
	if c.commit != nil {
		i.Time = c.commit.time
		i.Origin.Hash = c.commit.hash
		if !module.IsPseudoVersion(c.version) {
			i.Origin.Ref = c.ref
		}
	}
	return json.Marshal(i)
}
