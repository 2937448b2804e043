package client

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"bulkhead/client/consumer"
	"bulkhead/client/monitor"
	"bulkhead/internal/child/inside"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// TestMain makes the test binary a worker when a client under test starts it as
// one, as the real program does.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		os.Exit(beWorker(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

func beWorker(role string) int {
	var service bulkheadv1.WorkerServiceServer
	abandon := func() {}
	switch role {
	case "consumer":
		c := consumer.New(consumer.Options{})
		service, abandon = c, c.Abandon
	case "monitor":
		m := monitor.New(monitor.Options{})
		service, abandon = m, m.Abandon
	}
	err := inside.Serve(context.Background(), inside.Options{
		Register: func(s *grpc.Server) { bulkheadv1.RegisterWorkerServiceServer(s, service) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	abandon()
	return 0
}
