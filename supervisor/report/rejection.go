package report

// RejectionGroup is the connections that were rejected for one reason under one name, by
// the supervisor's clock.
type RejectionGroup struct {
	// ClientName is "" for connections that did not get as far as a Hello.
	ClientName string `json:"client_name"`
	Reason     string `json:"reason"`
	Count      uint64 `json:"count"`
	// Addresses is how many addresses they came from, ports left aside, up to 1000.
	Addresses uint64 `json:"addresses"`
	// LastPeer is the remote address of the newest.
	LastPeer string `json:"last_peer"`
	FirstAt  Stamp  `json:"first_at"`
	LastAt   Stamp  `json:"last_at"`
}

// Shed is the connections that were refused for one reason, to shed load, by the
// supervisor's clock.
type Shed struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// FirstAt is when the first of them came, LastAt when the newest were recorded.
	FirstAt Stamp `json:"first_at"`
	LastAt  Stamp `json:"last_at"`
}
