package report

// Shed is the connections that were refused for one reason, to shed load, by the
// supervisor's clock.
type Shed struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
	// FirstAt is when the first of them came, LastAt when the newest were recorded.
	FirstAt Stamp `json:"first_at"`
	LastAt  Stamp `json:"last_at"`
}
