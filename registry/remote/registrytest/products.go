package registrytest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// HarborProjectMissing is Harbor's answer for a project that does not exist, or that the account must not know about.
func HarborProjectMissing() Fault {
	return Answer(http.StatusUnauthorized, "UNAUTHORIZED", "project golang not found: project golang not found")
}

// HarborPolicyViolation is Harbor keeping a vulnerable image back, by tag and by digest. Signatures are not affected.
func HarborPolicyViolation() Fault {
	return harborPolicy(`current image with 2 vulnerabilities cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of "Critical" or higher from running.'`)
}

// HarborPendingScan is Harbor in the seconds after a push.
func HarborPendingScan() Fault {
	return harborPolicy(`current image with "Pending" status of vulnerability scanning cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of "Critical" or higher from running.'`)
}

// HarborUnscanned is Harbor with an image that was never scanned.
func HarborUnscanned() Fault {
	return harborPolicy(`current image without vulnerability scanning cannot be pulled due to configured policy in 'Prevent images with vulnerability severity of "Critical" or higher from running.' To continue with pull, please contact your project administrator for help.`)
}

func harborPolicy(message string) Fault {
	f := Answer(http.StatusPreconditionFailed, "PROJECTPOLICYVIOLATION", message)
	f.kind = Manifest
	f.when = func(r *Registry, l Request) bool {
		_, _, there := r.lookup(l.Repository, l.Reference)
		return there && l.Method != http.MethodPut && !strings.HasSuffix(l.Reference, ".sig")
	}
	return f
}

// HarborImmutableTag is Harbor with a tag immutability rule: a tag that exists
// cannot be pushed, even with the same content.
func HarborImmutableTag() Fault {
	f := Answer(http.StatusPreconditionFailed, "PRECONDITION", "Failed to process request due to immutable tag.")
	f.method, f.kind = http.MethodPut, Manifest
	f.when = func(r *Registry, l Request) bool {
		_, d, ok := r.lookup(l.Repository, l.Reference)
		return ok && d.String() != l.Reference
	}
	return f
}

// HarborUnsigned is Harbor with the policy that wants signatures: an image that has none cannot be read, by tag or by
// digest, not even by who is about to sign it.
func HarborUnsigned() Fault {
	f := harborPolicy("The image is not signed by cosign.")
	readable := f.when
	f.when = func(r *Registry, l Request) bool {
		_, d, there := r.lookup(l.Repository, l.Reference)
		_, _, signed := r.lookup(l.Repository, strings.Replace(d.String(), ":", "-", 1)+".sig")
		return there && !signed && readable(r, l)
	}
	return f
}

// HarborRightMissing is Harbor's answer to an account that lacks a right, "push" or "pull", and the one for a project
// that does not exist.
func HarborRightMissing(right string) Fault {
	return refused(right, http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository: golang/a, action: "+right)
}

// HarborQuotaExceeded is a Harbor project that is full.
func HarborQuotaExceeded() Fault {
	return refused("push", http.StatusForbidden, "DENIED", "adding 1.2 MiB of storage resource, which when updated to current usage of "+
		"9.4 MiB will exceed the configured upper limit of 10.0 MiB.")
}

// HarborReadOnly is Harbor in read-only mode.
func HarborReadOnly() Fault {
	return refused("push", http.StatusForbidden, "DENIED", "The system is in read only mode. Any modification is prohibited.")
}

// CacheTakesNothing is a pull-through cache that somebody pushes to.
func CacheTakesNothing() Fault {
	return refused("push", http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
}

// refused is an answer to "push" or "pull" of whoever is logged in.
func refused(right string, status int, code, message string) Fault {
	return Fault{
		times: -1,
		when:  func(_ *Registry, l Request) bool { return l.Kind != Token && action(l) == right },
		serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
			if !r.authorized(req, l) {
				r.challenge(w, l)
				return
			}
			writeError(w, status, code, message)
		},
	}
}

// HarborRobotDisabled is the token service's answer to a robot account that is disabled, expired, or not who it says.
func HarborRobotDisabled() Fault {
	return Answer(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized").On("", Token)
}

// CacheWithoutUpstream is distribution's pull-through cache (2.8 and 3.1) whose upstream does not answer, which has
// cached the tags and digests held: any other tag does not exist, any other digest is an internal error, and listings
// have the tags held.
func CacheWithoutUpstream(held ...string) Fault {
	lacks := func(r *Registry, l Request) bool {
		switch l.Kind {
		case Tags:
			return true
		case Manifest, Blob:
			return !slices.Contains(held, l.Reference)
		}
		return false
	}
	return Fault{times: -1, when: lacks, serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, l Request) {
		switch {
		case l.Kind == Tags && len(held) > 0:
			tags := slices.DeleteFunc(slices.Clone(held), func(ref string) bool { return strings.Contains(ref, ":") })
			writeJSON(w, http.StatusOK, map[string]any{"name": l.Repository, "tags": tags})
		case l.Kind == Tags:
			writeError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		case strings.Contains(l.Reference, ":"):
			writeError(w, http.StatusInternalServerError, "UNKNOWN", "unknown error")
		default:
			writeError(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		}
	}}
}

// UnsortedTags is distribution 2.8, which lists all tags at once in the order of its directory, whatever was asked for.
func UnsortedTags() Fault {
	return Fault{method: http.MethodGet, kind: Tags, times: -1, serve: func(r *Registry, w http.ResponseWriter, _ *http.Request, l Request) {
		tags := r.Tags(l.Repository)
		slices.Reverse(tags)
		writeJSON(w, http.StatusOK, map[string]any{"name": l.Repository, "tags": tags})
	}}
}

// EmptyTagsOfTheUnknown is olareg, where a repository that does not exist has no tags.
func EmptyTagsOfTheUnknown() Fault {
	return Fault{
		method: http.MethodGet, kind: Tags, times: -1,
		when: func(r *Registry, l Request) bool { return r.repos[l.Repository] == nil },
		serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, l Request) {
			writeJSON(w, http.StatusOK, map[string]any{"name": l.Repository, "tags": []string{}})
		},
	}
}

// LastTagGone is zot when the tag that a page ended with is deleted before the next page is asked for.
func LastTagGone() Fault {
	return Fault{
		method: http.MethodGet, kind: Tags, times: -1,
		when: func(_ *Registry, l Request) bool { return l.Last != "" },
		serve: func(_ *Registry, w http.ResponseWriter, _ *http.Request, _ Request) {
			w.WriteHeader(http.StatusNotFound)
		},
	}
}

// NoCatalog is a registry that lists its repositories to nobody.
func NoCatalog() Fault {
	return Answer(http.StatusNotFound, "UNSUPPORTED", "the operation is unsupported").On(http.MethodGet, Catalog)
}

// NoMount is a registry that never takes a blob from another of its repositories, and begins an upload instead.
func NoMount() Fault {
	return Fault{method: http.MethodPost, kind: Upload, times: -1, serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
		req.URL.RawQuery = ""
		r.serve(w, req, l)
	}}
}

// NoRepositoryCreation is a registry, as Amazon's, where somebody has to create a repository before anything is
// pushed to it.
func NoRepositoryCreation() Fault {
	f := Answer(http.StatusNotFound, "NAME_UNKNOWN", "The repository with that name does not exist in the registry")
	f.when = func(r *Registry, l Request) bool {
		return action(l) == "push" && l.Kind != Token && r.repos[l.Repository] == nil
	}
	return f
}

// UploadsElsewhere is a registry that takes uploads at another path, or says that another host does: base stands in
// front of each Location, as "/storage" or "https://uploads.example".
func UploadsElsewhere(base string) Fault {
	return Fault{
		times: -1,
		when: func(_ *Registry, l Request) bool {
			return l.Method == http.MethodPost && l.Kind == Upload || l.Method == http.MethodPut && l.Kind == Other
		},
		serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
			if l.Method == http.MethodPut {
				req = req.Clone(req.Context())
				req.URL.Path = strings.TrimPrefix(req.URL.Path, base)
				r.serve(w, req, parseRequest(req))
				return
			}
			right := httptest.NewRecorder()
			r.serve(right, req, l)
			maps.Copy(w.Header(), right.Header())
			if to := right.Header().Get("Location"); to != "" {
				w.Header().Set("Location", base+to)
			}
			w.WriteHeader(right.Code)
			w.Write(right.Body.Bytes())
		},
	}
}

// BlobsElsewhere is a registry that keeps its blobs on another host, as in an object storage: it redirects to base and the
// path that was asked for.
func BlobsElsewhere(base string) Fault {
	return Fault{
		method: http.MethodGet, kind: Blob, times: -1,
		serve: func(r *Registry, w http.ResponseWriter, req *http.Request, l Request) {
			if !r.authorized(req, l) {
				r.challenge(w, l)
				return
			}
			http.Redirect(w, req, base+req.URL.Path, http.StatusTemporaryRedirect)
		},
	}
}
