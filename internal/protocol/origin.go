package protocol

// Origin is what a client says of itself, and a later delivery of its messages says
// again: two sessions of a run that agree in it are of one client, if one of them is
// such a delivery.
type Origin struct {
	Name, Host string
	Pid        int32
}
