//go:build unix

package e2e

import (
	"os"
	"runtime"
	"syscall"
)

// usage is what a process took in its life.
type usage struct {
	cpu  float64 // seconds, of user and system
	peak float64 // MB
}

// stop ends a process, which may flush what it has, and returns what it took.
func (b *realBench) stop(p *process) usage {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		b.t.Fatal(err)
	}
	<-p.exited
	state := p.cmd.ProcessState
	u := usage{cpu: (state.UserTime() + state.SystemTime()).Seconds()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		unit := int64(1024)
		if runtime.GOOS == "darwin" {
			unit = 1
		}
		u.peak = float64(int64(r.Maxrss)*unit) / 1e6
	}
	return u
}
