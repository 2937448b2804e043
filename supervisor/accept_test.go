package supervisor

import "testing"

func TestOneSourceIsAnAddressOrItsNetwork(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1000", "192.0.2.1:2000", true},
		{"192.0.2.1:1000", "192.0.2.2:1000", false},
		{"[::ffff:192.0.2.1]:1000", "192.0.2.1:1000", true},
		{"[2001:db8:0:1::1]:1000", "[2001:db8:0:1:ffff::2]:1000", true},
		{"[2001:db8:0:1::1]:1000", "[2001:db8:0:2::1]:1000", false},
		{"[fe80::1%eth0]:1000", "[fe80::2%eth1]:1000", true},
		{"[::1]:1000", "127.0.0.1:1000", false},
	} {
		if a, b := sourceOf(tt.a), sourceOf(tt.b); (a == b) != tt.same {
			t.Errorf("%s is %v and %s is %v; same source: want %v", tt.a, a, tt.b, b, tt.same)
		}
	}
}
