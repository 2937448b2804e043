package client

import (
	"log/slog"
	"sync"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// neighbours says once for each consumer that its readers wait for files of other clients, and once that
// they have some. It may be used by several goroutines.
type neighbours struct {
	log *slog.Logger

	mu    sync.Mutex
	waits map[uint32]bool // by index of the consumer, said; guarded by mu
	reads map[uint32]bool // guarded by mu
}

func newNeighbours(log *slog.Logger) *neighbours {
	return &neighbours{log: log, waits: make(map[uint32]bool), reads: make(map[uint32]bool)}
}

// watch looks at what a consumer says of its readers.
func (n *neighbours) watch(m *bulkheadv1.Message) {
	p, index := m.GetProgress(), m.GetProcess().GetIndex()
	if p.GetReadWaitedNano() == 0 && p.GetReadNeighbours() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.reads[index]:
	case p.GetReadNeighbours() > 0:
		n.reads[index] = true
		n.log.Info("readers read other clients' files", "consumer", index, "clients", p.GetReadNeighbours(),
			"other_hosts", p.GetReadNeighbourHosts())
	case !n.waits[index]:
		n.waits[index] = true
		n.log.Info("readers wait: no other client of this run has finished files below the same path yet",
			"consumer", index)
	}
}
