package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// now returns what a running process has taken up to now: seconds of CPU time and MB of memory, of which peak is the most
// that it ever had. It needs Linux's /proc.
func now(t testing.TB, p *process) (cpu, resident, peak float64) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "stat")
	must(t, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range fields[11:13] { // utime, stime
		ticks, err := strconv.ParseFloat(field, 64)
		must(t, err)
		cpu += ticks / 100
	}
	status, err := os.ReadFile(dir + "status")
	must(t, err)
	return cpu, megabytes(t, status, "VmRSS"), megabytes(t, status, "VmHWM")
}

func megabytes(t testing.TB, status []byte, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("/proc does not tell %s", name)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	must(t, err)
	return kib * 1024 / 1e6
}

// ran runs a command to its end, and returns what it wrote and took. The peak of its memory is looked at a hundred times a second:
// what Linux says at the end, Maxrss, begins with that of the process that starts it.
func ran(t testing.TB, env []string, name string, args ...string) (out string, u usage) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
			}
			u.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
			return stdout.String(), u
		case <-time.After(10 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if bytes.Contains(status, []byte("VmHWM")) { // it has not ended
				u.peak = max(u.peak, megabytes(t, status, "VmHWM"))
			}
		}
	}
}
