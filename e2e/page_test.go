package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/modferry/modferry/artifact/sign/signtest"
)

// envChromium names the browser that the Makefile's page target hands over, and envScreens a directory for screenshots.
const (
	envChromium = "CHROMIUM_BIN"
	envScreens  = "SCREENS_DIR"
)

const isc = `Copyright (c) 2026 Example

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED
WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT,
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.
`

// patience ends a test that waits for what does not come.
const patience = 5 * time.Minute

// hostile is the name of a revision that somebody asks for, of the worst characters that one may have: it is shown as
// text, in a page and in the command to copy.
const hostile = `$(touch pwned)&ltimg src=x{{.}}`

// TestPage looks at the pages of a shim in a real browser.
func TestPage(t *testing.T) {
	if os.Getenv(envChromium) == "" {
		t.Skipf("%s is not set; run make page", envChromium)
	}
	b := newBrowser(t, servePages(t))

	t.Run("the search finds while it is typed, by keyboard alone", func(t *testing.T) {
		b.run(t, chromedp.Navigate(b.shim), chromedp.WaitVisible("#results"),
			chromedp.KeyEvent("/"), chromedp.KeyEvent("gamma"), chromedp.WaitVisible(chromedp.Search(`//p[contains(., "1 module with")]`)))
		if got := b.text(t, "#results ul"); got != "example.com/deep/gamma" {
			t.Errorf("found %q", got)
		}
		b.run(t, chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("table"))
		if got := b.text(t, "h1"); got != "example.com/deep/gamma" {
			t.Errorf("Enter led to %q", got)
		}
	})
	t.Run("a version says who signed it, and its command can be copied", func(t *testing.T) {
		b.run(t, chromedp.Navigate(b.shim+"/-/module/example.com/alpha@v1.2.0"), chromedp.WaitVisible("dl"),
			chromedp.Click("button.copies"), chromedp.WaitVisible(chromedp.Search(`//button[.="Copied"]`)))
		if got := b.text(t, "dl"); !strings.Contains(got, "accepted") || !strings.Contains(got, "sha256:") || !strings.Contains(got, "Licence\nISC") {
			t.Errorf("the version is described as %q", got)
		}
		if got := b.evaluate(t, "navigator.clipboard.readText()"); got != "go get example.com/alpha@v1.2.0" {
			t.Errorf("the clipboard has %q", got)
		}
	})
	t.Run("what somebody asked for is text", func(t *testing.T) {
		b.run(t, chromedp.Navigate(b.shim+"/-/wishes"), chromedp.WaitVisible("table"))
		if got := b.evaluate(t, "document.title + document.querySelectorAll('img').length"); got != "What is missing · modferry0" {
			t.Errorf("title and images: %q", got)
		}
		if got := b.text(t, "code"); got != "modferry mirror --key cosign.key --private 'example.com/*' 'example.com/alpha@"+hostile+"'" {
			t.Errorf("the command is %s", got)
		}
	})
	t.Run("every page fits 360 pixels, and can be read in the dark", func(t *testing.T) {
		for name, path := range map[string]string{
			"home": "/", "module": "/-/module/example.com/alpha", "version": "/-/module/example.com/alpha@v1.2.0",
			"wishes": "/-/wishes", "problem": "/-/module/example.com/" + strings.Repeat("none", 20),
		} {
			for _, scheme := range []string{"light", "dark"} {
				for _, width := range []int64{360, 1280} {
					b.look(t, fmt.Sprintf("%s-%s-%d", name, scheme, width), path, scheme, width)
				}
			}
		}
	})
	t.Run("without a script, the search is a form", func(t *testing.T) {
		call(t, b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		b.run(t, chromedp.Navigate(b.shim), chromedp.WaitVisible("#q"), chromedp.SendKeys("#q", "ALPHA"+kb.Enter),
			chromedp.WaitVisible(chromedp.Search(`//p[contains(., "1 module with")]`)), chromedp.WaitNotVisible("button.copies"))
		if got := b.text(t, "#results ul"); got != "example.com/alpha" {
			t.Errorf("found %q", got)
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.complaints, "\n"))
	}
}

// servePages starts a shim on a store with a few modules, of which one was asked for in vain.
func servePages(t *testing.T) (shim string) {
	t.Helper()
	dir := t.TempDir()
	if err := signtest.WriteKeyPair(filepath.Join(dir, "cosign")); err != nil {
		t.Fatal(err)
	}
	args := []string{"mirror", "--registry", "oci:store", "--key", "cosign.key", "--upstream", "file://" + filepath.ToSlash(dir) + "/up", "--private", "example.com/*"}
	for _, m := range []string{"example.com/alpha@v1.1.0", "example.com/alpha@v1.2.0", "example.com/beta@v0.1.0", "example.com/deep/gamma@v2.0.0+incompatible"} {
		path, _, _ := strings.Cut(m, "@")
		src := filepath.Join(dir, "src", filepath.FromSlash(m))
		if err := os.MkdirAll(src, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(src, "go.mod"), "module "+path+"\n")
		write(t, filepath.Join(src, "a.go"), "package a\n")
		write(t, filepath.Join(src, "LICENSE"), isc)
		if err := addVersion(filepath.Join(dir, "up"), m, src); err != nil {
			t.Fatal(err)
		}
		args = append(args, m)
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(os.Getenv(envModferry), args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "COSIGN_PASSWORD="+signtest.Password, "MODFERRY_CACHE="+filepath.Join(dir, "cache"))
		return cmd
	}
	if out, err := command(args...).CombinedOutput(); err != nil {
		t.Fatalf("mirror: %v\n%s", err, out)
	}
	p, err := startProcess(command("serve", "--registry", "oci:store", "--key", "cosign.pub", "--listen", "127.0.0.1:0", "--private", "example.com/*"),
		regexp.MustCompile(`(http://127\.0\.0\.1:[0-9]+)`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	if text := body(t, p.ready+"/example.com/alpha/@v/"+url.PathEscape(hostile)+".info"); !strings.HasPrefix(text, "not found: ") {
		t.Fatalf("what nobody has: %s", text)
	}
	body(t, p.ready+"/example.com/alpha/@v/v1.2.0.zip")
	for body(t, p.ready+"/-/api/wishes") == "[]\n" { // what is asked for in a burst is a wish once that is over
	}
	return p.ready
}

func body(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tab is a tab of a browser that looks at a shim.
type tab struct {
	ctx  context.Context
	shim string

	mu         sync.Mutex
	complaints []string // of the browser, and requests to others than the shim
}

func newBrowser(t *testing.T, shim string) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(os.Getenv(envChromium)), chromedp.NoSandbox)) // for who is root in a container
	t.Cleanup(cancel)
	b := &tab{ctx: ctx, shim: shim}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(t, ctx, log.Enable, cdp.Empty{})
	call(t, ctx, network.Enable, network.EnableParams{})
	call(t, ctx, runtime.Enable, cdp.Empty{})
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: shim,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded: // that a problem has a status of its own is no complaint
		if !strings.Contains(e.Entry.Text, "status of 404") {
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.shim+"/") {
			b.complaints = append(b.complaints, "a request to "+e.Request.URL)
		}
	}
}

func (b *tab) run(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// value runs an action that returns something.
func value[T any](t *testing.T, b *tab, action chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func call[P, R any](t *testing.T, ctx context.Context, command cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		t.Fatal(err)
	}
}

func (b *tab) text(t *testing.T, selector chromedp.CSS) string {
	t.Helper()
	return strings.TrimSpace(value(t, b, chromedp.Text(selector)))
}

func (b *tab) evaluate(t *testing.T, script string) string {
	t.Helper()
	return value(t, b, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
}

// leastContrast is that of any text with what is behind it, as WCAG 2.2 computes it.
const leastContrast = `(() => {
	const light = (c) => c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
	let least = 21;
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
		const [a, b] = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e).slice(0, 3))];
		least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
	}
	return least;
})()`

// look checks how a page looks, and keeps a screenshot if there is a place for it.
func (b *tab) look(t *testing.T, name, path, scheme string, width int64) {
	t.Helper()
	call(t, b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	b.run(t, chromedp.EmulateViewport(width, 800), chromedp.Navigate(b.shim+path), chromedp.WaitVisible("footer"))
	if inner := value(t, b, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); inner > width {
		t.Errorf("%s is %d pixels wide", name, inner)
	}
	if contrast := value(t, b, chromedp.Evaluate[float64](leastContrast)); contrast < 4.5 {
		t.Errorf("%s: a contrast of %.2f", name, contrast)
	}
	if dir := os.Getenv(envScreens); dir != "" {
		must(t, os.MkdirAll(dir, 0o755))
		write(t, filepath.Join(dir, name+".png"), string(value(t, b, chromedp.FullScreenshot(100))))
	}
}
