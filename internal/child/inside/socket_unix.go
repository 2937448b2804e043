package inside

import (
	"os"
	"path/filepath"
	"strings"

	"bulkhead/internal/child/handshake"
)

// workPrefix begins the name of the folder that a client makes for itself.
const workPrefix = "bulkhead-"

// removeSocket removes the child's socket and its folder, which the parent would
// have done, and with all also the parent's own folder if nothing else is in it.
// What cannot be removed stays.
func removeSocket(all bool) {
	dir := os.Getenv(handshake.SocketDirEnv)
	if dir == "" {
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type()&os.ModeSocket != 0 {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
	if parent := filepath.Dir(dir); all && strings.HasPrefix(filepath.Base(parent), workPrefix) {
		_ = os.Remove(parent)
	}
}
