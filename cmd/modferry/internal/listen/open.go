package listen

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Systemd is the address that stands for the socket that systemd has opened.
const Systemd = "systemd"

// Open listens on addr: host:port, or [Systemd].
func Open(addr string) (net.Listener, error) {
	if addr != Systemd {
		return net.Listen("tcp", addr)
	}
	all, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	switch {
	case len(all) == 0:
		return nil, errors.New("systemd has passed no socket (LISTEN_FDS): is the service started by its .socket unit?")
	case len(all) > 1 || all[0] == nil || all[0].Addr().Network() != "tcp":
		return nil, fmt.Errorf("systemd has passed %d sockets: one is needed, with ListenStream=ADDRESS:PORT", len(all))
	}
	return all[0], nil
}
