//go:build unix

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// usage is what a process took in its life.
type usage struct {
	cpu  float64 // seconds, of user and system
	peak float64 // MB
}

// stop ends a process, which may flush what it has, and returns what it took. Linux counts the memory of this process, from
// before exec, into Maxrss of its children; what /proc says is the child's own.
func (b *realBench) stop(p *process) usage {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		b.t.Fatal(err)
	}
	<-p.exited
	state := p.cmd.ProcessState
	u := usage{cpu: (state.UserTime() + state.SystemTime()).Seconds()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.peak = float64(r.Maxrss) / 1e6 // bytes on macOS
	}
	if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); m != nil {
		kib, err := strconv.ParseFloat(string(m[1]), 64)
		b.check(err)
		u.peak = kib * 1024 / 1e6
	}
	return u
}

// ownCPU returns the CPU time that this process has taken.
func ownCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
