package remote

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modferry/modferry/artifact"
	"github.com/modferry/modferry/registry"
	"github.com/modferry/modferry/registry/remote/registrytest"
	"github.com/modferry/modferry/registry/storetest"
)

// reader returns a registry with an image tagged v1 in the repository a, and a store in it that never pushed.
func reader(t *testing.T, o registrytest.Options) (*registrytest.Registry, *registry.Store) {
	t.Helper()
	reg, s := newRegistry(t, o)
	storetest.Image(t, s, "a", "v1")
	reg.Reset()
	return reg, open(t, newClient(t, ClientOptions{}), reg.Host()+"/"+namespace)
}

func TestACacheWithoutItsUpstreamIsNotBelievedAbsence(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	_, _, err := s.Manifest(t.Context(), "a", "v9")
	storetest.WantMeaning(t, err, registry.ErrNotFound)

	reg.Inject(registrytest.CacheWithoutUpstream("v1"))
	for what, err := range map[string]error{
		"tag":           func() error { _, _, err := s.Manifest(t.Context(), "a", "v2"); return err }(),
		"list":          storetest.OnlyError(t, s.Tags(t.Context(), "a")),
		"list of none":  storetest.OnlyError(t, s.Tags(t.Context(), "b")),
		"other version": func() error { _, _, err := s.Manifest(t.Context(), "b", "v1.sig"); return err }(),
	} {
		storetest.WantMeaning(t, err, registry.ErrUnavailable)
		if !strings.Contains(err.Error(), "pull-through cache") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := s.Manifest(t.Context(), "a", "v1"); err != nil {
		t.Errorf("what the cache has: %v", err)
	}
	reg.Heal()
	_, _, err = s.Manifest(t.Context(), "a", "v2")
	storetest.WantMeaning(t, err, registry.ErrNotFound)
}

// Nothing was asked of it before that could have shown that it is a cache.
func TestTheFirstListOfACacheWithoutItsUpstreamIsNotBelieved(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	reg.Inject(registrytest.CacheWithoutUpstream("v1"))
	storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "a")), registry.ErrUnavailable)
}

func TestTheListsOfAFewSecondsAreConfirmedWithOneRequest(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	for range 20 {
		for _, err := range s.Tags(t.Context(), "a") {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := reg.Count("", registrytest.Blob); n != 1 {
		t.Errorf("%d questions for 20 lists", n)
	}
}

func TestAQuestionUnderWayKeepsNobodyWaitingWhoGivesUp(t *testing.T) {
	a := new(absence)
	asked, answer := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		_ = a.confirm(t.Context(), 0, func() error {
			close(asked)
			<-answer
			return registry.ErrUnavailable
		})
	})
	<-asked
	a.takesContent() // does not wait
	a.takes = false
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := a.confirm(gone, 0, func() error { t.Error("asked at the same time"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(answer)
	first.Wait()
	if err := a.confirm(t.Context(), time.Hour, func() error { return nil }); err != nil {
		t.Errorf("an old bad answer counts: %v", err)
	}
}

func TestAbsenceIsConfirmedWithOneRequest(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	for range 3 {
		_, _, err := s.Manifest(t.Context(), "a", "v9")
		storetest.WantMeaning(t, err, registry.ErrNotFound)
	}
	if n := reg.Count("", registrytest.Blob); n != 3 {
		t.Errorf("%d questions for 3 absences one after another", n)
	}
	if _, _, err := s.Manifest(t.Context(), "a", "v1"); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Tags(t.Context(), "a") {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := reg.Count("", registrytest.Blob); n != 3 {
		t.Errorf("what is there was confirmed, too: %d questions", n)
	}
	if err := s.PushBlob(t.Context(), "a", artifact.NewBlob("text/plain", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Manifest(t.Context(), "a", "v9")
	storetest.WantMeaning(t, err, registry.ErrNotFound)
	if n := reg.Count("", registrytest.Blob); n != 3 {
		t.Error("a registry that takes content was taken for a cache")
	}
}

func TestThatTheFirstIsAbsentIsNotConfirmedWhereAnotherIsFound(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	b := s.Backend.(registry.FirstReader)
	if ref, _, raw, err := b.FirstManifest(t.Context(), "a", "v9", "v1"); err != nil || ref != "v1" || len(raw) == 0 {
		t.Errorf("%q, %v", ref, err)
	}
	if n := reg.Count("", registrytest.Blob); n != 0 {
		t.Errorf("%d questions", n)
	}
	_, _, _, err := b.FirstManifest(t.Context(), "a", "v8", "v9")
	storetest.WantMeaning(t, err, registry.ErrNotFound)
	if n := reg.Count("", registrytest.Blob); n != 1 || !strings.Contains(err.Error(), "v8") {
		t.Errorf("%d questions, %v", n, err)
	}
}

func TestWhatProductsSayWhenPushing(t *testing.T) {
	for name, test := range map[string]struct {
		fault registrytest.Fault
		want  []error
		hint  string
	}{
		"right":    {registrytest.HarborRightMissing("push"), []error{registry.ErrDenied}, "its password is right: create the project if it does not exist, or give the account the right to push"},
		"quota":    {registrytest.HarborQuotaExceeded(), []error{registry.ErrDenied, registry.ErrReadOnly}, "raise the project's quota"},
		"readonly": {registrytest.HarborReadOnly(), []error{registry.ErrDenied, registry.ErrReadOnly}, "read-only mode"},
		"cache":    {registrytest.CacheTakesNothing(), []error{registry.ErrDenied, registry.ErrReadOnly}, "pull-through cache: push to the registry behind it"},
		"robot":    {registrytest.HarborRobotDisabled(), []error{registry.ErrUnauthorized}, "neither disabled nor expired"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, registrytest.Options{Auth: registrytest.HarborToken, User: "robot$ci", Password: "p"})
			s := open(t, newClient(t, ClientOptions{Credentials: login("robot$ci", "p")}), reg.Host()+"/golang")
			reg.Inject(test.fault)
			err := s.PushBlob(t.Context(), "a", artifact.NewBlob("text/plain", []byte("x")))
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("%v is not %q", err, want)
				}
			}
			if errors.Is(err, registry.ErrReadOnly) != (len(test.want) == 2) {
				t.Errorf("%v ends a run or not", err)
			}
			if !strings.Contains(err.Error(), test.hint) || !strings.Contains(err.Error(), "as robot$ci") {
				t.Errorf("%v; want %q", err, test.hint)
			}
		})
	}
}

func TestAnonymousWithoutRightsIsToldToLogIn(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	reg.Inject(registrytest.HarborRightMissing("pull"))
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnauthorized)
	if !strings.Contains(err.Error(), "docker login") {
		t.Errorf("%v", err)
	}
}

func TestAPolicyThatWantsSignaturesIsTold(t *testing.T) {
	reg, s := reader(t, registrytest.Options{})
	for fault, want := range map[string]bool{"unsigned": true, "vulnerable": false} {
		reg.Heal()
		if want {
			reg.Inject(registrytest.HarborUnsigned())
		} else {
			reg.Inject(registrytest.HarborPolicyViolation())
		}
		_, _, err := s.Manifest(t.Context(), "a", "v1")
		var e *registry.Error
		if !errors.As(err, &e) || !errors.Is(err, registry.ErrPolicy) || e.Unsigned != want {
			t.Errorf("%s: %#v", fault, err)
		}
	}
}

func TestTagListsOfProducts(t *testing.T) {
	t.Run("distribution 2.8 sorts and cuts nothing", func(t *testing.T) {
		reg, s := newRegistry(t, registrytest.Options{PageSize: 1})
		storetest.Image(t, s, "a", "v1")
		storetest.Image(t, s, "a", "v2")
		reg.Inject(registrytest.UnsortedTags())
		var got []string
		for tag, err := range s.Tags(t.Context(), "a") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, tag)
		}
		if !slices.Equal(got, []string{"v2", "v1"}) {
			t.Errorf("%v", got)
		}
	})
	t.Run("olareg knows every repository", func(t *testing.T) {
		reg, s := reader(t, registrytest.Options{})
		reg.Inject(registrytest.EmptyTagsOfTheUnknown())
		storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "b")), registry.ErrNotFound)
	})
	t.Run("zot starts over", func(t *testing.T) {
		reg, s := newRegistry(t, registrytest.Options{PageSize: 1})
		storetest.Image(t, s, "a", "v1")
		storetest.Image(t, s, "a", "v2")
		reg.Inject(registrytest.LastTagGone().Times(1))
		n := 0
		for _, err := range s.Tags(t.Context(), "a") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 2 {
			t.Errorf("%d tags, want 2", n)
		}
		reg.Inject(registrytest.LastTagGone())
		storetest.WantMeaning(t, storetest.OnlyError(t, s.Tags(t.Context(), "a")), registry.ErrUnavailable)
	})
}

// refused counts the connections that nobody accepts.
type refused struct {
	next http.RoundTripper
	n    int
}

func (r *refused) RoundTrip(req *http.Request) (*http.Response, error) {
	r.n++
	return r.next.RoundTrip(req)
}

func TestARegistryThatNeverAnsweredIsGivenUpAtOnce(t *testing.T) {
	reg, s := newRegistry(t, registrytest.Options{})
	if _, _, err := s.Manifest(t.Context(), "a", "v1"); !errors.Is(err, registry.ErrNotFound) {
		t.Fatal(err)
	}
	reg.Close()
	for name, test := range map[string]struct {
		host string
		hint string
	}{
		"nobody listens": {reg.Host(), "check the registry's name and port"},
		"no such name":   {"registry.invalid:443", "check the registry's name"},
	} {
		tries := &refused{next: http.DefaultTransport.(*http.Transport).Clone()}
		fresh := open(t, newClient(t, ClientOptions{Transport: tries}), test.host+"/golang")
		_, _, err := fresh.Manifest(t.Context(), "a", "v1")
		if !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), test.hint) || tries.n != 1 {
			t.Errorf("%s: %d tries, %v", name, tries.n, err)
		}
	}
	_, _, err := s.Manifest(t.Context(), "a", "v1")
	storetest.WantMeaning(t, err, registry.ErrUnavailable)
	if errors.Is(err, registry.ErrUnreachable) {
		t.Errorf("it answered before: %v", err)
	}
}
