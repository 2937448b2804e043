package door

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// strangers are clients on other gRPC libraries: each makes one Collect call at the address
// that is its last argument, and prints the status's name and text. probe reports whether the
// library is there.
var strangers = map[string]struct{ program, probe, call []string }{
	"C core (Python)": {
		program: []string{"/usr/bin/python3", "python3"},
		probe:   []string{"-c", "import grpc"},
		call: []string{"-c", `
import grpc, sys, threading
over = threading.Event()
def frames():
    yield b""
    over.wait()
channel = grpc.insecure_channel(sys.argv[1])
call = channel.stream_stream("/bulkhead.v1.CollectorService/Collect", request_serializer=lambda b: b, response_deserializer=lambda b: b)(frames())
try:
    for _ in call: pass
    print("OK")
except grpc.RpcError as e:
    print(e.code().name, e.details())
over.set()
`},
	},
	"grpc-js": {
		program: []string{"node"},
		probe:   []string{"-e", `require("@grpc/grpc-js")`},
		call: []string{"-e", `
const grpc = require("@grpc/grpc-js"), raw = (b) => b
const client = new grpc.Client(process.argv[1], grpc.credentials.createInsecure())
const call = client.makeBidiStreamRequest("/bulkhead.v1.CollectorService/Collect", raw, raw)
call.on("data", () => {})
call.on("error", () => {})
call.on("status", (s) => { console.log(grpc.status[s.code], s.details); process.exit(0) })
call.write(Buffer.alloc(0))
`},
	},
}

// Other libraries than our clients' make UNAVAILABLE of a refusal too, with its text where
// there is time for one; the most common ones treat anything else as final.
func TestARefusalIsUnavailableInEveryLanguage(t *testing.T) {
	t.Parallel()
	for name, s := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := findStranger(t, s.program, s.probe)
			for how, refuse := range map[string]func(*Farewell, *net.TCPConn){
				"UNAVAILABLE " + farewellText: func(f *Farewell, c *net.TCPConn) { f.Refuse(t.Context(), c, refused) },
				"UNAVAILABLE ":                func(_ *Farewell, c *net.TCPConn) { RefuseAtOnce(c, refused) },
			} {
				f := NewFarewell()
				var connections atomic.Int32
				addr := door(t, func(c *net.TCPConn) { connections.Add(1); refuse(f, c) })
				out, err := stranger(t.Context(), program, append(s.call, addr)...)
				if err != nil || !strings.HasPrefix(out, how) {
					t.Errorf("the client says %q, %v; want %q", out, err, how)
				}
				if n := connections.Load(); n > 2 {
					t.Errorf("it connected %d times; want no loop", n)
				}
				f.Wait()
			}
		})
	}
}

// findStranger returns the first of programs for which probe succeeds.
func findStranger(t *testing.T, programs, probe []string) string {
	for _, p := range programs {
		path, err := exec.LookPath(p)
		if err != nil {
			continue
		}
		if _, err := stranger(t.Context(), path, probe...); err == nil {
			return path
		}
	}
	t.Skipf("%s with its gRPC library is not here", filepath.Base(programs[0]))
	return ""
}

// stranger runs a program and returns what it prints.
func stranger(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "GRPC_VERBOSITY=NONE")
	out, err := cmd.Output()
	return strings.TrimSuffix(string(out), "\n"), err
}
