package conformance_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bulkhead/handler/conformance"
	"bulkhead/internal/testing/harness/expect"
)

// python is the interpreter whose gRPC is Debian's package.
const python = "/usr/bin/python3"

// root is the top of the tree.
var root = filepath.Join("..", "..")

// needPython skips the test without what the example client needs; where CI is set that
// must be there.
func needPython(t *testing.T) {
	t.Helper()
	missing := exec.Command(python, "-c", "import grpc, google.protobuf").Run()
	if _, err := exec.LookPath("protoc"); missing == nil && err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("protoc, python3-grpcio and python3-protobuf must be installed where CI is set")
	}
	t.Skip("needs protoc, python3-grpcio and python3-protobuf")
}

// generated returns a folder with the Python that protoc makes of the protocol, as the example
// client says.
func generated(t *testing.T) string {
	t.Helper()
	out := t.TempDir()
	protoc := exec.Command("protoc", "-I", "proto", "-I", "docs/example", "--python_out="+out,
		"status.proto", "proto/bulkhead/v1/message.proto", "proto/bulkhead/v1/agent.proto",
		"proto/bulkhead/v1/collector.proto")
	protoc.Dir = root
	if text, err := protoc.CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, text)
	}
	return out
}

// The client in another language that docs/protocol.md shows passes every scenario.
func TestExampleClientConforms(t *testing.T) {
	t.Parallel()
	needPython(t)
	data := t.TempDir()
	var said bytes.Buffer
	res, err := conformance.Run(t.Context(), conformance.Config{
		Command: []string{
			"env", "PYTHONPATH=" + generated(t),
			python, "-B", filepath.Join(root, "docs", "example", "client.py"), "--path", data, "--seconds", "1",
		},
		Patience: expect.Patience, Progress: &said,
	})
	expect.NoError(t, err)
	for _, s := range res.Scenarios {
		if s.Verdict != conformance.Passed {
			t.Errorf("%s: %s: %s", s.Name, s.Verdict, s.Why)
		}
	}
	if t.Failed() {
		t.Log(said.String())
	}
	left, err := os.ReadDir(data)
	expect.NoError(t, err)
	if len(left) > 1 { // the load of a client that is refused is broken off
		t.Errorf("%d files were left; want one at most", len(left))
	}
}
