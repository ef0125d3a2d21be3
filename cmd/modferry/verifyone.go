package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
	"github.com/modferry/modferry/registry/verify"
)

type outcome string

const (
	outcomeOK      outcome = "ok"
	outcomeRefused outcome = "REFUSED"
	outcomeFailed  outcome = "FAILED"
)

// verdict is what verify found out about one version.
type verdict struct {
	Module  string        `json:"module"`
	Version string        `json:"version"`
	ModOnly bool          `json:"modOnly,omitempty"`
	Outcome outcome       `json:"outcome"`
	Digest  string        `json:"digest,omitempty"`
	Keys    []string      `json:"keys,omitempty"`
	SumDB   verify.Logged `json:"sumdb,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// String is the verdict in one line, for people.
func (v verdict) String() string {
	words := append([]string{fmt.Sprintf("%-8s %s %s%s ", v.Outcome, v.Module, v.Version, kindName(v.ModOnly))}, v.Keys...)
	if v.SumDB != "" {
		words = append(words, "sumdb="+string(v.SumDB))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// checker verifies versions.
type checker struct {
	stores *registry.Router
	verify.Checker
}

// checkAll verifies list, n versions at a time, and returns a channel for each verdict. Every channel gets its
// verdict, also when ctx is cancelled.
func (c *checker) checkAll(ctx context.Context, list []wanted, n int) []chan verdict {
	out := make([]chan verdict, len(list))
	for i := range out {
		out[i] = make(chan verdict, 1)
	}
	var g errgroup.Group
	g.SetLimit(n)
	go func() {
		for i, w := range list {
			g.Go(func() error { out[i] <- c.check(ctx, w); return nil })
		}
	}()
	return out
}

func (c *checker) check(ctx context.Context, w wanted) verdict {
	v := verdict{Module: w.Module.Path, Version: w.Module.Version, ModOnly: w.ModOnly, Outcome: outcomeOK}
	if err := c.verify(ctx, w, &v); err != nil {
		v.Error, v.Outcome = redact.Text(err.Error()), outcomeOf(err)
	}
	return v
}

func outcomeOf(err error) outcome {
	if verify.Classify(err).IsRefusal() {
		return outcomeRefused
	}
	return outcomeFailed
}

// verify fills in v as far as it gets.
func (c *checker) verify(ctx context.Context, w wanted, v *verdict) error {
	store, err := c.stores.For(w.Module.Path)
	if err != nil {
		return err
	}
	m, err := find(ctx, store, w)
	if err != nil {
		return err
	}
	v.Digest, v.ModOnly = m.Descriptor.Digest.String(), m.ModOnly()
	found, err := c.Check(ctx, store, m, verify.Known{})
	if err != nil {
		return err
	}
	v.Keys, v.SumDB = found.Keys, found.Logged
	if !m.ModOnly() {
		if err := checkZip(ctx, store, m); err != nil {
			return err
		}
	}
	return w.compare(m)
}

func find(ctx context.Context, store *registry.Store, w wanted) (*registry.Module, error) {
	if w.exact {
		return store.FindKind(ctx, w.Module, w.ModOnly)
	}
	m, err := store.Find(ctx, w.Module)
	if err == nil && m.ModOnly() && w.Sum != "" {
		return nil, fmt.Errorf("%v: only the go.mod is in the store; mirror it by this name to have the whole version", w.Module)
	}
	return m, err
}

// checkZip downloads the zip to a temporary file and recomputes its sum.
func checkZip(ctx context.Context, store *registry.Store, m *registry.Module) error {
	f, err := os.CreateTemp("", "modferry-verify-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return verify.Zip(ctx, store, m, f)
}

// compare checks the sums of m, which its contents have been found to have, against the expected ones.
func (w wanted) compare(m *registry.Module) error {
	if w.Sum != "" && w.Sum != m.Sum {
		return fmt.Errorf("%v: %w: go.sum says %s, the store has %s", w.Module, verify.ErrSums, w.Sum, m.Sum)
	}
	if w.GoModSum != "" && w.GoModSum != m.GoModSum {
		return fmt.Errorf("%v: %w: go.sum says %s for the go.mod, the store has %s", w.Module, verify.ErrSums, w.GoModSum, m.GoModSum)
	}
	return nil
}
