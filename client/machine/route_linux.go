package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// errNoRoute says that the kernel named no interface.
var errNoRoute = errors.New("the kernel names no interface for it")

// interfaceTo returns the network interface over which this host sends to an address, from a local
// one if that is valid (rtnetlink(7), RTM_GETROUTE).
func interfaceTo(to, from netip.Addr) (string, error) {
	to, from = to.Unmap(), from.Unmap()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return "", fmt.Errorf("asking for a route: %w", err)
	}
	defer unix.Close(fd) // nothing was written
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return "", fmt.Errorf("asking for a route: %w", err)
	}
	if err := unix.Sendto(fd, routeRequest(to, from), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return "", fmt.Errorf("asking for a route: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return "", fmt.Errorf("asking for a route: %w", err)
	}
	index, ok := outgoing(answer[:n])
	if !ok {
		return "", errNoRoute
	}
	request, err := unix.NewIfreq("")
	if err == nil {
		request.SetUint32(index)
		err = unix.IoctlIfreq(fd, unix.SIOCGIFNAME, request)
	}
	if err != nil {
		return "", fmt.Errorf("asking for interface %d: %w", index, err)
	}
	return request.Name(), nil
}

// routeRequest asks for the route to an address.
func routeRequest(to, from netip.Addr) []byte {
	family, bits := byte(unix.AF_INET), byte(32)
	if to.Is6() {
		family, bits = unix.AF_INET6, 128
	}
	message := make([]byte, unix.NLMSG_HDRLEN, 128)
	message = append(message, family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // struct rtmsg
	message = attribute(message, unix.RTA_DST, to.AsSlice())
	if from.IsValid() && from.Is6() == to.Is6() {
		message[unix.NLMSG_HDRLEN+2] = bits
		message = attribute(message, unix.RTA_SRC, from.AsSlice())
	}
	binary.NativeEndian.PutUint32(message, uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST)
	return message
}

// attribute adds one; its values are multiples of four bytes long.
func attribute(message []byte, kind uint16, value []byte) []byte {
	message = binary.NativeEndian.AppendUint16(message, uint16(unix.SizeofRtAttr+len(value)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	return append(message, value...)
}

// outgoing returns the index of the interface in an answer.
func outgoing(answer []byte) (uint32, bool) {
	const header = unix.NLMSG_HDRLEN + unix.SizeofRtMsg
	if len(answer) < header || binary.NativeEndian.Uint16(answer[4:]) != unix.RTM_NEWROUTE {
		return 0, false
	}
	size := int(binary.NativeEndian.Uint32(answer))
	for rest := answer[header:min(max(size, header), len(answer))]; len(rest) >= unix.SizeofRtAttr; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < unix.SizeofRtAttr || length > len(rest) {
			return 0, false
		}
		if binary.NativeEndian.Uint16(rest[2:]) == unix.RTA_OIF && length >= unix.SizeofRtAttr+4 {
			return binary.NativeEndian.Uint32(rest[unix.SizeofRtAttr:]), true
		}
		rest = rest[min((length+3)&^3, len(rest)):]
	}
	return 0, false
}
