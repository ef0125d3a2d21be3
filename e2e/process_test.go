package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
)

// process is a server under test. Its output is kept; ready is what it said when it began to listen.
type process struct {
	cmd    *exec.Cmd
	ready  string
	exited chan struct{}
	err    error // of Wait, valid once exited is closed

	mu  sync.Mutex
	log bytes.Buffer
}

// startProcess starts cmd and returns once a line of its standard error matches listening, whose first
// group becomes p.ready. A process that ends before is an error that carries its output.
func startProcess(cmd *exec.Cmd, listening *regexp.Regexp) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		w.Close()
	}()
	found := make(chan string, 1)
	go p.collect(r, listening, found)
	select {
	case p.ready = <-found:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("%s ended before it listened: %w\n%s", cmd, p.err, p.output())
	}
}

func (p *process) collect(r io.Reader, listening *regexp.Regexp, found chan<- string) {
	defer close(p.exited)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.mu.Lock()
		p.log.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		if m := listening.FindSubmatch(lines.Bytes()); m != nil {
			select {
			case found <- string(m[1]):
			default: // said so before
			}
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// kill ends the process as kill -9 does and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // gone already
	<-p.exited
}

// interrupt asks the process to end, waits, and returns how it did.
func (p *process) interrupt() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return p.err
}
