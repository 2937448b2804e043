package value

import (
	"strings"
	"testing"
)

func TestCheckHosts(t *testing.T) {
	for _, ok := range []string{"", "collector", "a.example.org,b-2.example.org, c_3", "3com.example",
		strings.Repeat("a", mostHosts)} {
		if err := CheckHosts(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"80", "127.0.0.1", "127.0.0.1:80", "[::1]", "a.example.org:80", "http://a", "a,*.b",
		"ä.de", "a\x1b[m", strings.Repeat("a", mostHosts+1)} {
		if err := CheckHosts(bad); err == nil {
			t.Errorf("%q is taken for names of hosts", bad)
		}
	}
}
