//go:build unix

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// usage is what a process took in its life.
type usage struct {
	cpu  float64 // seconds, of user and system
	peak float64 // MB
}

// stop ends a process, which may flush what it has, and returns what it took.
func (b *realBench) stop(p *process) usage {
	peak := peakOf(p.cmd.Process.Pid)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		b.t.Fatal(err)
	}
	<-p.exited
	return usageOf(p.cmd.ProcessState, peak)
}

// measured runs cmd to its end.
func measured(cmd *exec.Cmd) (u usage, output string, err error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return u, "", err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for peak := 0.0; ; {
		select {
		case err := <-done:
			return usageOf(cmd.ProcessState, peak), out.String(), err
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, peakOf(cmd.Process.Pid))
		}
	}
}

// usageOf returns what a process took. Linux counts the memory of the parent, from before exec, into Maxrss of its
// children; what /proc says of the living is their own.
func usageOf(state *os.ProcessState, peak float64) usage {
	u := usage{cpu: cpuTime(state), peak: peak}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok && peak == 0 {
		u.peak = float64(r.Maxrss) / 1e6 // bytes on macOS
	}
	return u
}

func cpuTime(state *os.ProcessState) float64 {
	return (state.UserTime() + state.SystemTime()).Seconds()
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakOf returns the most memory that a living process has had, in MB, 0 where that cannot be told.
func peakOf(pid int) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if m := highWater.FindSubmatch(status); m != nil {
		kib, _ := strconv.ParseFloat(string(m[1]), 64)
		return kib * 1024 / 1e6
	}
	return 0
}

// processCPU returns the CPU time of a process, in seconds; 0 where there is no /proc.
func processCPU(pid int) (seconds float64) {
	const hz = 100 // of what Linux states there
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); len(f) > 12 {
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		seconds = (user + system) / hz
	}
	return seconds
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

// cpuOf returns the CPU time that this process takes for do, in seconds.
func cpuOf(b *realBench, do func()) float64 {
	before := ownCPU(b.t)
	do()
	return (ownCPU(b.t) - before).Seconds()
}
