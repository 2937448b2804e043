package value

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Addresses are HOST:PORT of supervisors, each once. Which comes first says nothing.
type Addresses []string

// MaxAddresses is the most addresses that one setting has.
const MaxAddresses = 16

// maxAddressBytes bounds one address: a host name of 253 bytes, or an IPv6 address with a zone, and the port.
const maxAddressBytes = 270

// ValidAddresses returns what Addresses can be, in words.
func ValidAddresses() string {
	return fmt.Sprintf("HOST:PORT, or at most %d of them, as in a:7420,b:7420", MaxAddresses)
}

// ValidPeers returns what they can be where there may be none.
func ValidPeers() string {
	return fmt.Sprintf("at most %d HOST:PORT, as in a:7420,b:7420", MaxAddresses)
}

// String returns a as it is written on one line.
func (a Addresses) String() string { return strings.Join(a, ",") }

// ParseAddresses reads addresses with commas between.
func ParseAddresses(text string) (Addresses, error) {
	var list []string
	for one := range strings.SplitSeq(text, ",") {
		if list = append(list, strings.TrimSpace(one)); len(list) > MaxAddresses {
			break // it is refused, however many there are
		}
	}
	return NewAddresses(list)
}

// NewAddresses returns a list without those that it has twice, or what is wrong with it.
func NewAddresses(list []string) (Addresses, error) {
	if len(list) > MaxAddresses {
		return nil, fmt.Errorf("has more than %d addresses; use at most %d", MaxAddresses, MaxAddresses)
	}
	if len(list) == 0 {
		return nil, errors.New("has no address; use HOST:PORT, as in " + DefaultAddress)
	}
	var all Addresses
	var seen []string
	for _, one := range list {
		if err := CheckRemote(one); err != nil {
			return nil, err
		}
		if key := canonical(one); !slices.Contains(seen, key) {
			all, seen = append(all, one), append(seen, key)
		}
	}
	return all, nil
}

// CheckRemote accepts the address of a supervisor as its clients dial it.
func CheckRemote(address string) error {
	if err := CheckAddress(false)(address); err != nil {
		return err
	}
	if len(address) > maxAddressBytes {
		return fmt.Errorf("%s is too long; use at most %d bytes", Quote(address), maxAddressBytes)
	}
	return nil
}

// SameAddress reports whether two valid addresses are the same, in whichever way they are written.
func SameAddress(a, b string) bool { return canonical(a) == canonical(b) }

// canonical returns a valid address in the one way in which it is compared.
func canonical(address string) string {
	host, port, _ := net.SplitHostPort(address)
	if n, err := strconv.Atoi(port); err == nil {
		port = strconv.Itoa(n)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(ip.Unmap().String(), port)
	}
	return net.JoinHostPort(strings.TrimSuffix(strings.ToLower(host), "."), port)
}
