// Command modferry carries Go modules through a container registry: mirror puts module versions into a store as
// signed OCI artifacts, serve and run give them back to an unmodified go command.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; whoever sends a second one wants it now.
	context.AfterFunc(ctx, stop)
	code := execute(ctx, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv}, os.Args[1:])
	stop()
	os.Exit(code)
}
