package protocol

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// Origin is what a client says of itself, and a later delivery of its messages says
// again: two sessions of a run that agree in it are of one client, if one of them is
// such a delivery.
type Origin struct {
	Name, Host string
	Pid        int32
}

// OriginOf is the client that says hello.
func OriginOf(hello *bulkheadv1.Hello) Origin {
	return Origin{Name: hello.GetName(), Host: hello.GetHost(), Pid: hello.GetPid()}
}
