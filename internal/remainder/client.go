package remainder

import bulkheadv1 "bulkhead/proto/bulkhead/v1"

// Client is what a client says of itself, and a later delivery of its messages says
// again: two sessions of a run that agree in it are of one client, if one of them is
// such a delivery.
type Client struct {
	Name, Host string
	Pid        int32
}

// ClientOf is the client that says hello.
func ClientOf(hello *bulkheadv1.Hello) Client {
	return Client{Name: hello.GetName(), Host: hello.GetHost(), Pid: hello.GetPid()}
}
