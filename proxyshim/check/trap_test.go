package check

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
)

func TestTrapRemembersHostsAndLetsNobodyThrough(t *testing.T) {
	trap, err := setTrap()
	must(t, err)
	defer trap.close()
	proxy, err := url.Parse(trap.url)
	must(t, err)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	for _, u := range []string{"http://b.example/x", "http://b.example/y", "https://a.example/x", "http://c.example:8080/", "http://[2001:db8::1]/", "ftp.example"} {
		resp, err := client.Get(u)
		if err != nil {
			continue // refused to connect, or not a URL
		}
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", u, resp.Status)
		}
		resp.Body.Close()
	}
	resp, err := http.Get(trap.url + "/") // asks nobody else
	must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	want := []string{"[2001:db8::1]:80", "a.example:443", "b.example:80", "c.example:8080"}
	if got := trap.dialled(); !slices.Equal(got, want) {
		t.Errorf("dialled %q, want %q", got, want)
	}
}

func TestOnlyTheShimIsOutsideTheTrap(t *testing.T) {
	trap := &trap{url: "http://127.0.0.1:1"}
	for shim, want := range map[string]string{
		"http://127.0.0.1:7070": "127.0.0.1:7070", "https://shim.corp.example/go": "shim.corp.example", "file:///srv/proxy": "", "%": "",
	} {
		env := trap.environ(shim)
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			if !slices.Contains(env, name+"="+want) {
				t.Errorf("%s: %q", shim, env)
			}
		}
		if !slices.Contains(env, "HTTPS_PROXY="+trap.url) || !slices.Contains(env, "http_proxy="+trap.url) {
			t.Errorf("%s: %q", shim, env)
		}
	}
}

func TestExcerptHasTheFirstLinesThatMatter(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 200)
	for name, tt := range map[string]struct{ said, want string }{
		"nothing":    {"\n\n", ""},
		"progress":   {"go: downloading example.com/a v1.0.0\n\nx.go:1:2: no\n\n  \tindented \n", "x.go:1:2: no\n\n  \tindented"},
		"a terminal": {"a\x1b[31mb\x00\xffc\r\n", "a [31mb ?c"},
		"too much":   {long, strings.TrimSuffix(long[:81*100], "") + "…"},
	} {
		if got := excerpt(tt.said); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzFileOf(f *testing.F) {
	f.Add("example.com/A", "v1.0.0")
	f.Add("example.com/a", "v2.0.0+incompatible/go.mod")
	f.Add("../x", "v1")
	f.Add("a..b//", "v1.0.0/../x")
	f.Fuzz(func(t *testing.T, path, version string) {
		file := fileOf(path, version)
		if file == "" {
			return
		}
		escaped, rest, ok := strings.Cut(file, "/@v/")
		got, err := module.UnescapePath(escaped)
		if !ok || err != nil || got != path || strings.Contains(rest, "/") {
			t.Errorf("%q %q: %q", path, version, file)
		}
	})
}
