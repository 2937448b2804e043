package client

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"bulkhead/client/consumer"
	"bulkhead/client/monitor"
	"bulkhead/client/site"
	"bulkhead/client/spec"
	"bulkhead/internal/child/inside"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// clientSettings is the environment variable that makes the test binary a client; it
// holds a Config as JSON.
const clientSettings = "BULKHEAD_TEST_CLIENT"

// beClient runs a client as a process of its own.
func beClient(settings string) int {
	var cfg spec.Config
	if err := json.Unmarshal([]byte(settings), &cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT)
	result, err := Run(context.Background(), cfg, signals)
	fmt.Fprintf(os.Stderr, "result: %+v, %v\n", result, err)
	return result.ExitCode()
}

// TestMain makes the test binary a worker when a client under test starts it as
// one, as the real program does.
func TestMain(m *testing.M) {
	if len(os.Args) >= 3 && os.Args[1] == "worker" {
		os.Exit(beWorker(os.Args[2], os.Args[3:]))
	}
	if settings := os.Getenv(clientSettings); settings != "" {
		os.Exit(beClient(settings))
	}
	goleak.VerifyTestMain(m)
}

func beWorker(role string, args []string) int {
	var service bulkheadv1.WorkerServiceServer
	abandon := func() {}
	failure := func() error { return nil }
	switch role {
	case "remove":
		if err := site.RemoveFolders(args, func() { fmt.Print(".") }); err != nil {
			return 1
		}
		return 0
	case "consumer":
		c := consumer.New(consumer.Options{})
		service, abandon, failure = c, c.Abandon, c.Failure
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
	if err := failure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
