package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
	"bulkhead/internal/protocol"
)

// checkLine wants one line of printable text.
func checkLine(t *testing.T, line string) {
	t.Helper()
	if line == "" || strings.ContainsFunc(line, value.Unprintable) {
		t.Errorf("not one line of printable text: %q", line)
	}
}

// checkRefusal wants every problem to be one line that begins with the file.
func checkRefusal(t *testing.T, file string, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > maxProblems+1 {
		t.Fatalf("error = %v", err)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		checkLine(t, line)
		if !strings.HasPrefix(line, file+":") {
			t.Errorf("line does not begin with the file: %s", line)
		}
	}
}

func FuzzLoadClient(f *testing.F) {
	file := filepath.Join(f.TempDir(), "client.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadClient(file, nil, nil)
		if err != nil {
			checkRefusal(t, file, err)
			return
		}
		consumers := c.Consumers()
		if len(consumers) != c.ConsumerCount || len(c.Overrides) > c.ConsumerCount {
			t.Errorf("%d consumers and %d entries for a count of %d", len(consumers), len(c.Overrides), c.ConsumerCount)
		}
		for i, consumer := range consumers {
			if chunk := consumer.ChunkSize.Largest(); chunk == 0 || chunk > consumer.FileSize.Max ||
				consumer.FileSize.Min > consumer.FileSize.Max || consumer.Path == "" || consumer.Concurrency < 1 {
				t.Errorf("consumer %d: %+v", i, consumer)
			}
		}
		if c.Heartbeat.Timeout > c.Heartbeat.Interval || c.Spool.Memory > c.Spool.MaxSize || c.Runtime <= 0 ||
			len(c.Labels) > protocol.MaxLabels {
			t.Errorf("client: %+v", c)
		}
	})
}

func FuzzLoadSupervisor(f *testing.F) {
	file := filepath.Join(f.TempDir(), "supervisor.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := LoadSupervisor(file, nil, nil)
		if err != nil {
			checkRefusal(t, file, err)
			return
		}
		if s.Clients.Count < 1 || s.Handler.Pool < 1 || s.StateDir == "" || s.Session.MaxFrame > 8*value.MiB ||
			s.Session.MaxFrame < 64*value.KiB || s.Handler.MemoryLimit > s.Handler.MemoryMax || s.Linger < 0 {
			t.Errorf("supervisor: %+v", s)
		}
	})
}

func FuzzLoadJob(f *testing.F) {
	file := filepath.Join(f.TempDir(), "job.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := LoadJob(file)
		if err != nil {
			checkRefusal(t, file, err)
			return
		}
		if protocol.CheckName(j.Name) != nil || len(j.Clients) == 0 || len(j.Clients) > MaxJobEntries || j.Repeat < 1 {
			t.Errorf("job: %+v", j)
		}
		for _, entry := range j.Clients {
			if !entry.On.All && entry.On.Name == "" && len(entry.On.Labels) == 0 {
				t.Errorf("an entry for nobody: %+v", entry)
			}
			checkJobLoad(t, entry.Load)
		}
	})
}

// FuzzParseJobLoad wants what comes down to an agent to be a load and nothing else.
func FuzzParseJobLoad(f *testing.F) {
	defaults := DefaultClient()
	f.Fuzz(func(t *testing.T, data []byte) {
		load, err := ParseJobLoad("load", data)
		if err != nil {
			checkRefusal(t, "load", err)
			return
		}
		checkJobLoad(t, load)
		kept := load.Settings
		others, _ := partFields(&kept)
		same, _ := partFields(&defaults)
		for i, k := range others {
			if k.place != nil && !cmp.Equal(k.place, same[i].place) {
				t.Errorf("the load sets %s", k.Name)
			}
		}
		for _, consumer := range kept.Consumers() {
			if !filepath.IsAbs(consumer.Path) {
				t.Errorf("a consumer writes to %q", consumer.Path)
			}
		}
		if len(load.Text) > maxLoad || kept.Labels != nil {
			t.Errorf("load: %+v", load)
		}
	})
}
