package door

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"

	"bulkhead/internal/exitstatus"
	"bulkhead/internal/linkzone"
)

// Listen opens the listener for clients: the one of the program before this one in the
// same process, the one that a service manager holds (LISTEN_FDS, sd_listen_fds(3)), or
// a new one.
func Listen(address string, inherited *os.File) (*net.TCPListener, error) {
	if inherited != nil {
		return FileListener(inherited)
	}
	given := activation.Files(true)
	switch len(given) {
	case 0:
	case 1:
		return FileListener(given[0])
	default:
		for _, f := range given {
			f.Close()
		}
		return nil, fmt.Errorf("%w: listen: the service manager passes %d sockets; it must pass one",
			exitstatus.ErrConfig, len(given))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, ListenError(address, err)
	}
	return l.(*net.TCPListener), nil
}

// ListenError returns in one line why an address cannot be listened on, and what to do. An address
// in use may be free the next time, and one that does not exist, or a name that is not known, may
// exist then: a machine's network comes up late, or goes away for a while. Only what no other start
// can change is the configuration's.
func ListenError(address string, err error) error {
	var code syscall.Errno
	var name *net.DNSError
	var form *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf(
			"listen: %s is in use, by another supervisor perhaps; stop that one, or choose another address", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: listen: %s: this user may not listen there; choose a port from 1024 up",
			exitstatus.ErrConfig, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen: %s: this machine has no such address now; choose one of its own, or 0.0.0.0 for all",
			address)
	case linkzone.Missing(address) != "":
		return fmt.Errorf("listen: %s: this machine has no network interface %s now; choose one of its own", address,
			linkzone.Missing(address))
	case errors.As(err, &form):
		return fmt.Errorf("%w: listen: %w", exitstatus.ErrConfig, form)
	case errors.As(err, &name):
		return fmt.Errorf("listen: %s: the name %s cannot be looked up now: %s", address, name.Name, name.Err)
	case errors.As(err, &code):
		return fmt.Errorf("listen: %s: %w", address, code)
	default:
		return fmt.Errorf("listen: %w", err)
	}
}

// FileListener makes a listener of an open descriptor, which it closes.
func FileListener(f *os.File) (*net.TCPListener, error) {
	l, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%w: listen: the socket that was passed: %w", exitstatus.ErrConfig, err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("%w: listen: the socket that was passed is a %s socket; it must be a TCP listener",
			exitstatus.ErrConfig, l.Addr().Network())
	}
	return tcp, nil
}
