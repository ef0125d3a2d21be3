package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// terminalKey finds the script's terminal, a *terminal, in its values.
type terminalKey struct{}

// terminal is a shell that lines of the README are pasted into, as a reader does: what one sets, the next ones see.
type terminal struct {
	section string
	in      io.WriteCloser
	out     *bufio.Reader
	ports   map[string]string // of the README → free ones
}

// pasted is what the terminal prints after each block.
const pasted = "-- pasted --"

// terminal SECTION opens a shell for the sh blocks of a section of the README, in a clone: $WORK/clone. Its programs that are
// left running in the background have files *.pid below $WORK, by which they are ended after the script.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 || neg {
		ts.Fatalf("usage: terminal SECTION")
	}
	readme, err := os.ReadFile("../README.md")
	ts.Check(err)
	_, section, found := strings.Cut(string(readme), "\n## "+args[0]+"\n")
	if !found {
		ts.Fatalf("the README has no section %q", args[0])
	}
	section, _, _ = strings.Cut(section, "\n## ")
	deploy, err := filepath.Abs("../deploy")
	ts.Check(err)
	clone := ts.MkAbs("clone")
	ts.Check(os.MkdirAll(clone, 0o755))
	ts.Check(os.Symlink(deploy, filepath.Join(clone, "deploy")))
	r, w, err := os.Pipe()
	ts.Check(err)
	sh := exec.Command("sh", "-ea")
	sh.Dir, sh.Stdout, sh.Stderr = clone, w, w
	for _, name := range []string{
		"HOME", "PATH", "GOCACHE", "GOPATH", "GOENV", "GOTOOLCHAIN", "GOFLAGS", "GOPROXY", "GOSUMDB", "MODFERRY_SUMDB", "MODFERRY_CACHE",
	} {
		sh.Env = append(sh.Env, name+"="+ts.Getenv(name))
	}
	in, err := sh.StdinPipe()
	ts.Check(err)
	ts.Check(sh.Start())
	ts.Check(w.Close())
	ts.Defer(func() {
		ts.Check(errors.Join(in.Close(), ignoreExit(sh.Wait()), killAll(ts.MkAbs(".")), r.Close()))
	})
	ts.Value(terminalKey{}).(*terminal).open(section, in, r)
}

func (t *terminal) open(section string, in io.WriteCloser, out io.Reader) {
	t.section, t.in, t.out, t.ports = section, in, bufio.NewReader(out), make(map[string]string)
}

func ignoreExit(err error) error {
	if errors.As(err, new(*exec.ExitError)) {
		return nil // the script has seen what the shell said
	}
	return err
}

// killAll ends the processes whose ids are in files *.pid one directory below dir.
func killAll(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.pid"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			p, _ := os.FindProcess(pid) // never fails on Unix
			p.Kill()                    //nolint:errcheck // gone already
		}
	}
	return err
}

// paste TEXT, [!] paste -until TEXT pastes the block of the README with that text into the terminal. What it prints is in the file
// terminal. With -until the block is run by a shell of its own, again until all of it succeeds or, negated, until it fails.
func cmdPaste(ts *testscript.TestScript, neg bool, args []string) {
	until := len(args) == 2 && args[0] == "-until"
	if neg && !until || len(args) != 1 && !until {
		ts.Fatalf("usage: paste TEXT, [!] paste -until TEXT")
	}
	t := ts.Value(terminalKey{}).(*terminal)
	block := t.block(ts, args[len(args)-1])
	file := ts.MkAbs("paste.sh")
	ts.Check(writeFile(file, block))
	run := ". " + file
	if until {
		loop := "until"
		if neg {
			loop = "while"
		}
		run = "tries=0; " + loop + " sh -e " + file + "; do tries=$((tries+1)); [ $tries -lt 2000 ]; done"
	}
	_, err := fmt.Fprintf(t.in, "%s\necho '%s'\n", run, pasted)
	ts.Check(err)
	var said strings.Builder
	for {
		line, err := t.out.ReadString('\n')
		if err != nil {
			ts.Fatalf("the terminal is closed: a command failed\n%s\n%s", block, said.String())
		}
		if line == pasted+"\n" {
			break
		}
		said.WriteString(line)
	}
	ts.Logf("%s\n%s", block, said.String())
	ts.Check(writeFile(ts.MkAbs("terminal"), said.String()))
}

// block returns the sh block with a text, with free ports, and a balancer of the test's in the place of haproxy where that
// is not installed.
func (t *terminal) block(ts *testscript.TestScript, text string) string {
	for _, part := range strings.Split(t.section, "\n```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		if !strings.Contains(block, text) {
			continue
		}
		block = t.freePorts(ts, block)
		start := regexp.MustCompile(`(?m)^haproxy .*-f (\S+)$`)
		if m := start.FindStringSubmatch(block); m != nil {
			config := ts.MkAbs(filepath.Join("team", m[1]))
			ts.Check(writeFile(config, t.freePorts(ts, ts.ReadFile(config))))
			if _, err := exec.LookPath("haproxy"); err != nil {
				ts.Check(balance(ts, config))
				block = start.ReplaceAllString(block, ":")
			}
		}
		return block + "\n"
	}
	ts.Fatalf("the section has no sh block with %q", text)
	return ""
}

// freePorts replaces the ports 7440 to 7443 by free ones, always by the same, also where their last digit is a variable.
func (t *terminal) freePorts(ts *testscript.TestScript, text string) string {
	if len(t.ports) == 0 {
		var listeners []net.Listener
		for _, digit := range []string{"0", "1", "2", "3"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			ts.Check(err)
			listeners = append(listeners, l)
			_, t.ports["744"+digit], _ = net.SplitHostPort(l.Addr().String())
		}
		for _, l := range listeners {
			ts.Check(l.Close())
		}
	}
	text = strings.ReplaceAll(text, ":744$n ", fmt.Sprintf(":$(echo %s %s %s | cut -d ' ' -f $n) ", t.ports["7441"], t.ports["7442"], t.ports["7443"]))
	return regexp.MustCompile(`\b744[0-3]\b`).ReplaceAllStringFunc(text, func(port string) string { return t.ports[port] })
}

// balance does what a haproxy with that configuration does: a connection goes to the next server that says it is ready.
func balance(ts *testscript.TestScript, config string) error {
	text := ts.ReadFile(config)
	bind := regexp.MustCompile(`(?m)^ *bind (\S+)$`).FindStringSubmatch(text)
	servers := regexp.MustCompile(`(?m)^ *server \S+ (\S+)$`).FindAllStringSubmatch(text, -1)
	if bind == nil || len(servers) < 2 {
		return fmt.Errorf("%s: no address, or no servers", config)
	}
	l, err := net.Listen("tcp", bind[1])
	if err != nil {
		return err
	}
	ts.Defer(func() { l.Close() })
	// Whether the certificate is right is for the clients to find out, whose connections go through.
	ask := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec
	var next atomic.Uint32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for range servers {
					addr := servers[int(next.Add(1))%len(servers)][1]
					resp, err := ask.Get("https://" + addr + "/-/readyz")
					if err != nil {
						continue
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						continue
					}
					if s, err := net.Dial("tcp", addr); err == nil {
						pipe(c, s)
						return
					}
				}
			}()
		}
	}()
	return nil
}

// pipe passes on what two connections send until one of them ends.
func pipe(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	for _, p := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			io.Copy(p[0], p[1]) //nolint:errcheck // it ends when either does
			ended <- struct{}{}
		}()
	}
	<-ended
	a.Close()
	b.Close()
}
