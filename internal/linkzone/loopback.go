package linkzone

import "net/netip"

// Loopback reports whether an address on which something listens, HOST:PORT, can be reached from this
// machine alone. It is false for what is no address.
func Loopback(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && at.Addr().Unmap().IsLoopback()
}
