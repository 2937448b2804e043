package reserve

import "testing"

// A limit that is said to be enough is enough, and the one below is not.
func TestTheLimitThatIsAskedForHasRoom(t *testing.T) {
	for _, clients := range []uint64{1, 2, 9, 16, 17, 18, 100, 5000} {
		limit := limitFor(clients)
		if got := roomFor(limit); got < clients {
			t.Errorf("a limit of %d has room for %d; want %d", limit, got, clients)
		}
		if got := roomFor(limit - 4); got >= clients {
			t.Errorf("a limit of %d has room for %d; want fewer than %d", limit-4, got, clients)
		}
	}
}
