package session

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sinceData returns how long ago the kernel took the last data of a connection from the network,
// whenever this process got to read it; 0 if it cannot say.
func sinceData(conn net.Conn) time.Duration {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	var info *unix.TCPInfo
	if raw.Control(func(fd uintptr) {
		info,
			err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}) != nil || err != nil {
		return 0
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond
}
