package inside

import (
	"bufio"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// A pipe that nobody reads fills up; what comes then is left out, and counted once
// there is room again.
func TestALineThatNobodyTakesIsCounted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	out := &stderr{fd: int(w.Fd())}
	log := slog.New(slog.NewJSONHandler(out, nil))
	const lines = 1000
	for i := range lines {
		log.Info(strings.Repeat("x", 1000), "line", i)
	}
	dropped := out.dropped
	if dropped < lines/2 || dropped == lines {
		t.Fatalf("%d of %d lines were left out; want most", dropped, lines)
	}
	in := bufio.NewReader(r)
	for range lines - dropped {
		if line, err := in.ReadString('\n'); err != nil || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("read %q, %v; want a whole line", line, err)
		}
	}
	log.Info("after that")
	count, err := in.ReadString('\n')
	if err != nil || !strings.Contains(count, "lines left out") || !strings.Contains(count, `"level":"WARN"`) {
		t.Errorf("read %q, %v; want how many lines were left out", count, err)
	}
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "after that") {
		t.Errorf("read %q, %v; want the line after that", line, err)
	}
	if out.dropped != 0 {
		t.Errorf("%d lines left out are still counted", out.dropped)
	}
}

func TestALongLineIsCutOff(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := &stderr{fd: int(w.Fd())}
	if n, err := out.Write([]byte(strings.Repeat("x", 10_000) + "\n")); n != 10_001 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	w.Close()
	line, err := bufio.NewReaderSize(r, 1<<16).ReadString('\n')
	if err != nil || len(line) != atomicBytes {
		t.Errorf("read %d bytes, %v; want %d that end in a newline", len(line), err, atomicBytes)
	}
}

func TestALogWithoutAReaderIsNoError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if _, err := (&stderr{fd: int(w.Fd())}).Write([]byte("line\n")); err != nil {
		t.Error(err)
	}
}
