// Package linkzone looks for the network interface that an address names: the zone of an
// IPv6 address, as in [fe80::7%eth0]:7420. The system says no more than "invalid argument"
// if it does not exist.
package linkzone

import (
	"net"
	"net/netip"
	"strconv"
)

// Missing returns the zone of an address, HOST:PORT, if the machine has no such interface now;
// "" if it has one, or the address names none.
func Missing(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().Zone() == "" {
		return ""
	}
	zone := at.Addr().Zone()
	if _, err := net.InterfaceByName(zone); err == nil {
		return ""
	}
	if index, err := strconv.Atoi(zone); err == nil {
		if _, err := net.InterfaceByIndex(index); err == nil {
			return ""
		}
	}
	return zone
}
