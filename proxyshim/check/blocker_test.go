package check

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestBlockerRemembersHostsAndLetsNobodyThrough(t *testing.T) {
	b, err := newBlocker()
	must(t, err)
	defer b.close()
	proxy, err := url.Parse(b.url)
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
	resp, err := http.Get(b.url + "/") // asks nobody else
	must(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	want := []string{"[2001:db8::1]:80", "a.example:443", "b.example:80", "c.example:8080"}
	if got := b.dialled(); !slices.Equal(got, want) {
		t.Errorf("dialled %q, want %q", got, want)
	}
}

func TestOnlyTheShimIsAskedDirectly(t *testing.T) {
	b := &blocker{url: "http://127.0.0.1:1"}
	for shim, want := range map[string]string{
		"http://127.0.0.1:7070": "127.0.0.1:7070", "https://shim.corp.example/go": "shim.corp.example", "file:///srv/proxy": "", "%": "",
	} {
		env := b.environ(shim)
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			if !slices.Contains(env, name+"="+want) {
				t.Errorf("%s: %q", shim, env)
			}
		}
		if !slices.Contains(env, "HTTPS_PROXY="+b.url) || !slices.Contains(env, "http_proxy="+b.url) {
			t.Errorf("%s: %q", shim, env)
		}
	}
}

func TestExcerptHasTheFirstLinesThatMatter(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 200)
	for name, tt := range map[string]struct{ said, want string }{
		"nothing":    {"\n\n", ""},
		"progress":   {"go: downloading example.com/a v1.0.0\n\nx.go:1:2: no\n\n  \tindented \n", "x.go:1:2: no\n\nindented"},
		"a terminal": {"a\x1b[31mb\x00\xffc\r\n", "a[31mbc"},
		"too much":   {long, strings.TrimSuffix(long[:81*100], "") + "…"},
	} {
		if got := excerpt(tt.said); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
