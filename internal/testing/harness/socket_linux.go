package harness

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// ServerOf returns which of the processes holds the accepted socket of the connection
// from peer to the listener on listen; 0 if none does.
func ServerOf(listen, peer string, pids []int) (int, error) {
	inode, err := acceptedSocket(listen, peer)
	if err != nil || inode == "" {
		return 0, err
	}
	for _, pid := range pids {
		files, err := OpenFiles(pid)
		if err != nil {
			continue // it has ended
		}
		for _, f := range files {
			if f == "socket:["+inode+"]" {
				return pid, nil
			}
		}
	}
	return 0, nil
}

// acceptedSocket returns the inode of the listening side's socket of a connection; "" if
// the kernel knows no such connection, or nobody has accepted it yet.
func acceptedSocket(listen, peer string) (string, error) {
	data, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	local, err := hexPort(listen)
	if err != nil {
		return "", err
	}
	remote, err := hexPort(peer)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line) // sl local_address rem_address … inode (proc_net_tcp)
		if len(f) > 9 && strings.HasSuffix(f[1], local) && strings.HasSuffix(f[2], remote) && f[9] != "0" {
			return f[9], nil
		}
	}
	return "", nil
}

// hexPort returns the port of an address as the kernel writes it, with the colon.
func hexPort(addr string) (string, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", addr, err)
	}
	return fmt.Sprintf(":%04X", n), nil
}
