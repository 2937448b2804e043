package isolation_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bulkhead/supervisor/report"
)

// The example client of docs/protocol.md is served by a real supervisor, and what it says
// does not contradict itself.
func TestTheExampleClientIsServed(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // the one whose gRPC is Debian's package
	if err := exec.Command(python, "-c", "import grpc, google.protobuf").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3-grpcio and python3-protobuf must be installed where CI is set")
		}
		t.Skip("needs python3-grpcio and python3-protobuf")
	}
	generated := t.TempDir()
	protoc := exec.Command("protoc", "-I", "proto", "-I", "docs/example", "--python_out="+generated,
		"status.proto", "proto/bulkhead/v1/message.proto", "proto/bulkhead/v1/agent.proto",
		"proto/bulkhead/v1/collector.proto")
	protoc.Dir = filepath.Join("..", "..", "..")
	if out, err := protoc.CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, out)
	}
	s := start(t)
	client := exec.Command(python, "-B", filepath.Join("..", "..", "..", "docs", "example", "client.py"),
		"--supervisor", s.Addr, "--path", t.TempDir(), "--seconds", "1")
	client.Env = append(os.Environ(), "PYTHONPATH="+generated)
	if out, err := client.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rep := s.finish(exitComplete)
	if c := rep.Clients[0]; c.Outcome != "closed" || c.StopReason != "runtime" || c.Bytes == 0 {
		t.Errorf("%s for %q with %d bytes; want closed for its runtime, with some", c.Outcome, c.StopReason, c.Bytes)
	}
	for _, f := range rep.Findings {
		if f.Kind == report.FindingContradiction {
			t.Errorf("finding: %+v", f)
		}
	}
}
