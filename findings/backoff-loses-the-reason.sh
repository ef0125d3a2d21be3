#!/usr/bin/env bash
# Software: github.com/cenkalti/backoff/v5 v5.0.3 (Retry, Permanent, RetryAfter).
# Expected: Retry returns the operation's last error, as the operation returned it: errors.Is gives the same answer whether
#           retries are on or off. backoff.Permanent is a mark, to be put anywhere in a chain of errors, since Retry finds
#           it with errors.As. A wait demanded by the server (RetryAfter) is waited for.
# Happens:  1. where the mark lies deeper, Retry returns only what is below the mark: message, module name and sentinels
#              around it are gone. With WithMaxTries(1) the same failure comes back whole, since the count is looked at
#              first. So switching retries off, as tests do, changes which error the caller sees.
#           2. when the context ends during a wait, the operation's error is dropped; only the deadline is told.
#           3. RetryAfter beyond the 15 minutes of the default MaxElapsedTime is not waited for in part: one try, no wait.
# Matters:  a proxy must tell refusals (403) from absence (404) and outages by the error: a sentinel that is lost between
#           the retries turns "denied" into "unknown error", in production only. Keep the error outside of Retry.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false"
cd "$work"
printf 'module example.com/tool\n\ngo 1.25\n' >go.mod
cat >main.go <<'EOF'
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

var (
	errDenied = errors.New("denied")
	errBusy   = errors.New("busy")
)

// retry runs an operation that always fails, and prints what came back.
func retry(ctx context.Context, what string, sentinel, failure error, opts ...backoff.RetryOption) {
	tries := 0
	_, err := backoff.Retry(ctx, func() (int, error) { tries++; return 0, failure }, opts...)
	fmt.Printf("%s: tries %d, errors.Is %t, %q\n", what, tries, errors.Is(err, sentinel), err)
}

func main() {
	ctx := context.Background()
	denied := fmt.Errorf("example.com/m@v1.0.0: %w: %w", errDenied, backoff.Permanent(errors.New("401 Unauthorized")))
	retry(ctx, "retries off", errDenied, denied, backoff.WithMaxTries(1))
	retry(ctx, "retries on", errDenied, denied, backoff.WithMaxTries(5))

	slow := backoff.NewConstantBackOff(time.Hour)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	retry(short, "deadline", errBusy, fmt.Errorf("example.com/m@v1.0.0: %w", errBusy), backoff.WithBackOff(slow), backoff.WithMaxElapsedTime(0))
	retry(ctx, "retry after 901 s", errBusy, fmt.Errorf("%w: %w", errBusy, backoff.RetryAfter(901)))
}
EOF
go get github.com/cenkalti/backoff/v5@v5.0.3 2>log || { cat log; exit 2; }
go run . | tee out
for want in 'retries off: tries 1, errors.Is true, "example.com/m@v1.0.0: denied: 401 Unauthorized"' \
	'retries on: tries 1, errors.Is false, "401 Unauthorized"' \
	'deadline: tries 1, errors.Is false, "context deadline exceeded"' \
	'retry after 901 s: tries 1, errors.Is true, "busy: retry after 15m1s"'; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
echo "as stated: what the caller learns depends on the retry options, not on the failure"
