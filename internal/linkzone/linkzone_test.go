package linkzone

import (
	"fmt"
	"net"
	"testing"
)

func TestMissing(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(interfaces) == 0 {
		t.Skip("this machine has no network interface")
	}
	there := interfaces[0]
	for address, want := range map[string]string{
		"[fe80::7%nosuch]:7420":                     "nosuch",
		"[fe80::7%99999]:7420":                      "99999",
		fmt.Sprintf("[fe80::7%%%s]:0", there.Name):  "",
		fmt.Sprintf("[fe80::7%%%d]:0", there.Index): "",
		"[::1]:7420":     "",
		"127.0.0.1:7420": "",
		"collector:7420": "",
	} {
		if got := Missing(address); got != want {
			t.Errorf("%s: %q is missing; want %q", address, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.1.2.3:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "[fe80::7%lo]:1": false,
		"localhost": false, "": false,
	} {
		if got := Loopback(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
