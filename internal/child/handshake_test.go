package child

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-plugin"

	"bulkhead/internal/child/handshake"
)

// A child says go-plugin's words without the library.
func TestHandshakeIsGoPlugins(t *testing.T) {
	for name, c := range map[string]struct{ got, want any }{
		"core version":  {handshake.CoreVersion, plugin.CoreProtocolVersion},
		"socket folder": {handshake.SocketDirEnv, plugin.EnvUnixSocketDir},
		"health":        {handshake.Service, plugin.GRPCServiceName},
		"protocol":      {strings.Split(handshake.Line("/s"), "|")[4], string(plugin.ProtocolGRPC)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v; go-plugin has %v", name, c.got, c.want)
		}
	}
}
