package check

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

func TestProbeAsksForWhatAGoSumListsButNotForWhatIsInADirectory(t *testing.T) {
	const sum = " h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	p := newProject(t, nil, files{
		"go.mod":       "module corp.example/app\n\ngo 1.24\n\nreplace corp.example/local => ./local\n",
		"local/go.mod": "module corp.example/local\n",
		"go.sum": "example.com/Upper v1.0.0" + sum + "example.com/Upper v1.0.0/go.mod" + sum + "example.com/Upper v1.0.0/go.mod" + sum +
			"corp.example/local v1.0.0/go.mod" + sum + "corp.example/app v1.0.0/go.mod" + sum + "not a line\n",
	})
	var mu sync.Mutex
	var asked []string
	shim := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path)
	}))
	defer shim.Close()
	probe(t.Context(), shim.URL+"/", p)
	slices.Sort(asked)
	if want := []string{"HEAD /example.com/!upper/@v/v1.0.0.mod", "HEAD /example.com/!upper/@v/v1.0.0.zip"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}
