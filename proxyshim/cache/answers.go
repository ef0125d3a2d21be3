package cache

import (
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/module"

	"github.com/modferry/modferry/artifact/sign"
)

// Answer is what a store answered about a module. It never changes.
type Answer[T any] struct {
	Confirmation
	Manifest digest.Digest `json:"manifest,omitempty"` // that says so, if it is one
	Value    T             `json:"value"`
}

// Subject returns what a policy has to accept.
func (a *Answer[T]) Subject() sign.Subject { return sign.Subject{Module: a.Module, Digest: a.Manifest} }

// Answers keeps the answers of one kind, in memory and in a file of JSON each.
type Answers[T any] struct {
	c *Cache
	o AnswersOptions[T]

	mu     sync.RWMutex
	memory map[module.Version]*Answer[T]
}

// AnswersOptions configures Answers. Name and Ext are required.
type AnswersOptions[T any] struct {
	Name   func(module.Version) (string, error) // of the file, slash-separated, without extension
	Ext    string                               // its extension
	Derive func(*T)                             // fills in what is not stored, if anything
	Text   func(*T) []byte                      // content of a file of the name without extension, for those who use the directory as a proxy; nil = none
}

// NewAnswers returns the answers of one kind that are in c.
func NewAnswers[T any](c *Cache, o AnswersOptions[T]) *Answers[T] {
	return &Answers[T]{c: c, o: o, memory: make(map[module.Version]*Answer[T])}
}

// Get returns the answer about m in memory, or nil.
func (a *Answers[T]) Get(m module.Version) *Answer[T] {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.memory[m]
}

// Find returns the answer about m in memory or on disk, or nil when there is none that can be believed, as [Cache.Find]
// does.
func (a *Answers[T]) Find(m module.Version, store, verifier string) *Answer[T] {
	if v := a.Get(m); v != nil && v.Verifier == verifier {
		return v
	}
	name, err := a.o.Name(m)
	if err != nil {
		return nil
	}
	v := new(Answer[T])
	if _, err := ReadJSON(a.c.Path(name)+a.o.Ext, v); err != nil || !v.believed(m, store, verifier) {
		return nil
	}
	return a.remember(v)
}

func (a *Answers[T]) remember(v *Answer[T]) *Answer[T] {
	if a.o.Derive != nil {
		a.o.Derive(&v.Value)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory[v.Module] = v
	return v
}

// Put keeps v. It counts at once and is written behind the answer.
func (a *Answers[T]) Put(v *Answer[T]) {
	v.Format = format
	a.remember(v)
	_ = a.save(v, false) // without it the store is asked again after a restart
}

func (a *Answers[T]) save(v *Answer[T], wait bool) error {
	return a.write(v.Module, func(file string) error {
		if a.o.Text != nil {
			if err := a.c.WriteFile(file, a.o.Text(&v.Value), true); err != nil {
				return err
			}
		}
		return a.c.WriteJSON(file+a.o.Ext, v)
	}, wait)
}

// write has do done with the path of m's files, without extension.
func (a *Answers[T]) write(m module.Version, do func(file string) error, wait bool) error {
	name, err := a.o.Name(m)
	if err != nil {
		return err
	}
	return a.c.writer.add(func() error { return do(a.c.Path(name)) }, wait)
}

// Outdate makes the answer about m in memory, if there is one, so old that its store is asked again.
func (a *Answers[T]) Outdate(m module.Version) {
	if now := a.Get(m); now != nil {
		v := *now
		v.Checked = time.Time{}
		a.remember(&v)
	}
}

// Withhold records that the answer about m, if there is one, is not to be used until its store confirms it again.
func (a *Answers[T]) Withhold(m module.Version) error {
	now := a.Get(m)
	if now == nil || now.Withheld {
		return nil
	}
	v := *now
	v.Withheld = true
	a.remember(&v)
	return a.save(&v, true)
}

// Drop removes the answer about m.
func (a *Answers[T]) Drop(m module.Version) error {
	a.mu.Lock()
	delete(a.memory, m)
	a.mu.Unlock()
	return a.write(m, func(file string) error {
		if err := a.c.Remove(file + a.o.Ext); err != nil || a.o.Text == nil {
			return err
		}
		return a.c.Remove(file)
	}, true)
}
