package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/artifact/sign"
	"github.com/modferry/modferry/artifact/sumdb"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/redact"
)

type outcome string

const (
	outcomeOK      outcome = "ok"
	outcomeRefused outcome = "REFUSED"
	outcomeFailed  outcome = "FAILED"
)

// verdict is what verify found out about one version.
type verdict struct {
	Module  string   `json:"module"`
	Version string   `json:"version"`
	ModOnly bool     `json:"modOnly,omitempty"`
	Outcome outcome  `json:"outcome"`
	Digest  string   `json:"digest,omitempty"`
	Keys    []string `json:"keys,omitempty"`
	SumDB   logged   `json:"sumdb,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// String is the verdict in one line, for people.
func (v verdict) String() string {
	words := append([]string{fmt.Sprintf("%-8s %s %s%s ", v.Outcome, v.Module, v.Version, kindName(v.ModOnly))}, v.Keys...)
	if v.SumDB != "" {
		words = append(words, "sumdb="+string(v.SumDB))
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// errSums is a version whose sums are not those of the go.sum it was verified against.
var errSums = errors.New("the sums differ")

// checker verifies versions.
type checker struct {
	stores   *registry.Router
	verifier sign.Verifier
	sums     *auditor
}

// checkAll verifies list, n versions at a time, and returns a channel for each verdict. Every channel gets its
// verdict, also when ctx is cancelled.
func (c *checker) checkAll(ctx context.Context, list []wanted, n int) []<-chan verdict {
	out := make([]<-chan verdict, len(list))
	in := make([]chan verdict, len(list))
	for i := range list {
		in[i] = make(chan verdict, 1)
		out[i] = in[i]
	}
	next := make(chan int)
	for range n {
		go func() {
			for i := range next {
				in[i] <- c.check(ctx, list[i])
			}
		}()
	}
	go func() {
		for i := range list {
			next <- i
		}
		close(next)
	}()
	return out
}

func (c *checker) check(ctx context.Context, w wanted) verdict {
	v := verdict{Module: w.module.Path, Version: w.module.Version, ModOnly: w.modOnly, Outcome: outcomeOK}
	if err := c.verify(ctx, w, &v); err != nil {
		v.Error, v.Outcome = redact.Text(err.Error()), outcomeOf(err)
	}
	return v
}

func outcomeOf(err error) outcome {
	if refused(err) {
		return outcomeRefused
	}
	return outcomeFailed
}

// refused tells a version that was read and found wanting from one that could not be read.
func refused(err error) bool {
	for _, target := range []error{
		sign.ErrUnsigned, sign.ErrUntrusted, registry.ErrPolicy, errSums,
		artifact.ErrIdentity, artifact.ErrCorrupt, artifact.ErrNotModule, artifact.ErrLimit,
		sumdb.ErrSignature, sumdb.ErrForked, sumdb.ErrNotSnapshot,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// verify fills in v as far as it gets.
func (c *checker) verify(ctx context.Context, w wanted, v *verdict) error {
	store, err := c.stores.For(w.module.Path)
	if err != nil {
		return err
	}
	m, err := find(ctx, store, w)
	if err != nil {
		return err
	}
	v.Digest, v.ModOnly = m.Descriptor.Digest.String(), m.ModOnly()
	if v.Keys, err = store.Verify(ctx, m, c.verifier); err != nil {
		return err
	}
	meta, err := store.Meta(ctx, m) // includes the sum of the go.mod
	if err != nil {
		return err
	}
	if !m.ModOnly() {
		if err := checkZip(ctx, store, m); err != nil {
			return err
		}
	}
	if err := w.compare(m); err != nil {
		return err
	}
	v.SumDB, err = c.sums.check(ctx, store, m, meta)
	return err
}

func find(ctx context.Context, store *registry.Store, w wanted) (*registry.Module, error) {
	if w.exact {
		return store.FindKind(ctx, w.module, w.modOnly)
	}
	m, err := store.Find(ctx, w.module)
	if err == nil && m.ModOnly() && w.sum != "" {
		return nil, fmt.Errorf("%v: only the go.mod is in the store; mirror it by this name to have the whole version", w.module)
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
	if err := store.Zip(ctx, m, f); err != nil {
		return err
	}
	if err := m.CheckZipFile(f.Name()); err != nil {
		return fmt.Errorf("%v: %w", m.Module, err)
	}
	return nil
}

// compare checks the sums of m, which its contents have been found to have, against the expected ones.
func (w wanted) compare(m *registry.Module) error {
	if w.sum != "" && w.sum != m.Sum {
		return fmt.Errorf("%v: %w: go.sum says %s, the store has %s", w.module, errSums, w.sum, m.Sum)
	}
	if w.goModSum != "" && w.goModSum != m.GoModSum {
		return fmt.Errorf("%v: %w: go.sum says %s for the go.mod, the store has %s", w.module, errSums, w.goModSum, m.GoModSum)
	}
	return nil
}
