// Command modferry carries Go modules through a container registry: mirror puts module versions into a store as
// signed OCI artifacts, serve and run give them back to an unmodified go command.
//
// A command is a file here, which the list in app.go names; one that is long is a package in internal, which it calls. What
// commands share, as streams, options, exit codes and the opening of stores, is internal/command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/modferry/modferry/cmd/modferry/internal/command"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	code := execute(ctx, command.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}, os.Args[1:])
	stop()
	os.Exit(code)
}

// untilSignal returns a context that ends with the first signal that asks for an orderly end: so that no temporary
// directory is left behind, and the last wish list is written. Whoever sends a second one wants it now.
func untilSignal(ctx context.Context) (_ context.Context, stop func()) {
	// Without a reader of its output, the program would end at once. It gets an error from writing instead. To ignore
	// the signal would do that too, but the programs that run starts would inherit it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop = signal.NotifyContext(ctx, endSignals()...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// endSignals returns the signals that ask for an orderly end, without those that are to be ignored: SIGHUP under nohup,
// SIGINT in what a script runs in the background. To ask for one would end that, for the programs that run starts, too.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGTERM} // which the runtime handles in any case
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signals = append(signals, s)
		}
	}
	return signals
}
