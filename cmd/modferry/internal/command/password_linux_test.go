package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a pseudo-terminal: that of the program, and that of the person.
func terminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return program, person
}

// echoes reports whether a terminal shows what is typed.
func echoes(f *os.File) bool {
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil && state.Lflag&unix.ECHO != 0
}

// prompted is a stream that calls a function when the prompt is written.
type prompted func()

func (p prompted) Write(text []byte) (int, error) {
	if len(text) > 1 {
		p()
	}
	return len(text), nil
}

func TestAPasswordIsTypedOnATerminal(t *testing.T) {
	program, person := terminal(t)
	a := &App{Streams{In: program, Env: func(string) (string, bool) { return "", false }}}
	a.Err = prompted(func() { fmt.Fprintln(person, "secret") })
	if text, err := a.password(t.Context(), "Password: "); string(text) != "secret" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	over, end := context.WithCancel(t.Context())
	end()
	a.Err = prompted(func() { t.Error("asked, although nobody waits for the answer") })
	if _, err := a.password(over, "Password: "); !errors.Is(err, context.Canceled) {
		t.Errorf("too late: %v", err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	a.Err = prompted(func() {
		go func() {
			for echoes(program) { // nobody is quicker than the program
				runtime.Gosched()
			}
			interrupt()
		}()
	})
	if text, err := a.NewPassword(ctx); text != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %q, %v", text, err)
	}
	if !echoes(program) {
		t.Error("the terminal no longer shows what is typed")
	}
	// Whoever reads on restores the terminal once something is typed: not that of another test, which has its descriptor.
	fd := int(program.Fd())
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	state.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, state); err != nil {
		t.Fatal(err)
	}
	for fmt.Fprintln(person); !echoes(program); {
		runtime.Gosched()
	}
}
