package isolation_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"

	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// hostileText is what a terminal would obey, what changes the direction of what follows, and
// markup.
const hostileText = "x\x1b]0;owned\x07\x1b[2J\u202e<script>alert(1)</script>\x00y"

// fillTexts sets every text of a message, and of those in it, to a hostile one, but for the
// fields that are named.
func fillTexts(m protoreflect.Message, but ...protoreflect.Name) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		switch f := fields.Get(i); {
		case slices.Contains(but, f.Name()):
		case f.IsMap() && f.MapKey().Kind() == protoreflect.StringKind &&
			f.MapValue().Kind() == protoreflect.StringKind:
			m.Mutable(f).Map().Set(protoreflect.ValueOfString(hostileText).MapKey(),
				protoreflect.ValueOfString(hostileText))
		case f.Kind() == protoreflect.StringKind && f.IsList():
			m.Mutable(f).List().Append(protoreflect.ValueOfString(hostileText))
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(hostileText))
		case f.Kind() == protoreflect.MessageKind && !f.IsList() && !f.IsMap() && m.Has(f):
			fillTexts(m.Mutable(f).Message(), but...)
		case f.Kind() == protoreflect.MessageKind && f.IsList():
			for i := range m.Get(f).List().Len() {
				fillTexts(m.Mutable(f).List().Get(i).Message(), but...)
			}
		}
	}
}

// Whatever texts a client sends, nothing that an operator looks at has them raw: not the
// status, the log, the page, its events, the metrics, the report in any format, a comparison,
// nor what is said of the journal.
func TestHostileTextReachesNobodyRaw(t *testing.T) {
	t.Parallel()
	s := startCommand(t, command(newStateDir(t), "--clients", "2", "--log-level", "debug", "--http", "127.0.0.1:0"))
	url := s.browser()

	h := rawclient.Hello("hostile")
	h.Workload = &bulkheadv1.Workload{Consumers: []*bulkheadv1.ConsumerSpec{{ChunkSizeBytes: 1, FileSizeBytes: 1}}}
	fillTexts(h.ProtoReflect(), "name", "token", "run_id")
	c, err := rawclient.Dial(t.Context(), s.Addr)
	expect.NoError(t, err)
	defer c.Close()
	_, err = c.Greet(h)
	expect.NoError(t, err)
	consumer := &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CONSUMER, Pid: 7}
	parent := &bulkheadv1.Process{Kind: bulkheadv1.ProcessKind_PROCESS_KIND_CLIENT, Pid: 6}
	facts := []*bulkheadv1.Message{
		{Process: consumer, Fact: &bulkheadv1.Message_Start{Start: &bulkheadv1.Start{}}},
		{Process: consumer, Fact: &bulkheadv1.Message_MonitorError{MonitorError: &bulkheadv1.MonitorError{}}},
		{Process: consumer, Fact: &bulkheadv1.Message_Progress{Progress: &bulkheadv1.Progress{Errors: 1}}},
		{Process: consumer,
			Fact: &bulkheadv1.Message_Rollover{Rollover: &bulkheadv1.Rollover{SizeBytes: 1, ChunkSizeBytes: 1}}},
		{Process: consumer,
			Fact: &bulkheadv1.Message_Corruption{
				Corruption: &bulkheadv1.Corruption{Kind: bulkheadv1.CorruptionKind_CORRUPTION_KIND_FLIPPED,
					LengthBytes: 4096}}},
		{Process: parent,
			Fact: &bulkheadv1.Message_Heartbeat{
				Heartbeat: &bulkheadv1.Heartbeat{Round: 1, Misses: []*bulkheadv1.HeartbeatMiss{{Process: consumer}}}}},
		{Process: parent,
			Fact: &bulkheadv1.Message_Stop{
				Stop: &bulkheadv1.Stop{Reason: bulkheadv1.StopReason_STOP_REASON_FAILED,
					Exits: []*bulkheadv1.ProcessExit{
						{Process: consumer, Class: bulkheadv1.ExitClass_EXIT_CLASS_CRASH}}}}},
	}
	for i, m := range facts {
		m.Seq, m.TimeUnixNano = uint64(i)+1, h.GetWallClockUnixNano()+int64(i)+1
		fillTexts(m.ProtoReflect())
		batch := &bulkheadv1.Batch{Messages: []*bulkheadv1.Message{m}}
		expect.NoError(t, c.Send(&bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Batch{Batch: batch}}))
	}
	expect.NoError(t, c.AwaitAck(uint64(len(facts))))

	seen := map[string][]byte{
		"status":        output(t, 0, "supervisor", "status", "--state-dir", s.StateDir),
		"status --json": output(t, 0, "supervisor", "status", "--state-dir", s.StateDir, "--json"),
		"page":          get(t, url+"/"),
		"report page":   get(t, url+"/report"),
		"metrics":       get(t, url+"/metrics"),
		"api status":    get(t, url+"/api/status"),
	}
	expect.NoError(t, c.Goodbye(uint64(len(facts))))
	if err := c.End(); err != io.EOF {
		t.Fatal(err)
	}
	by := bystander(t, s, rawclient.Hello("bystander"))
	by.finish(t)
	s.finish(exitPartial)
	seen["log"] = []byte(s.Log())
	for _, format := range []string{"text", "json", "html", "csv", "markdown", "junit"} {
		seen["report as "+format] = output(t, 0, "report", s.RunDir, "--format", format)
	}
	seen["comparison"] = output(t, 0, "report", "compare", s.RunDir, s.RunDir)
	seen["journal check"] = output(t, 0, "journal", "check", s.RunDir)
	for _, name := range []string{"report.txt", "report.json", "report.html"} {
		data, err := os.ReadFile(filepath.Join(s.RunDir, name))
		expect.NoError(t, err)
		seen[name] = data
	}
	met := 0
	for name, data := range seen {
		text := string(data)
		for line := range strings.Lines(text) {
			if i := strings.IndexFunc(line,
				func(r rune) bool {
					return r != '\n' && r != '\t' && r != '\r' &&
						unicode.In(r, unicode.Cc, unicode.Cf)
				}); i >= 0 {
				t.Errorf("%s has a control character: %q", name, line[max(i-80, 0):min(i+80, len(line))])
				break
			}
		}
		if strings.Contains(text, "owned") {
			met++
		}
		if (strings.HasSuffix(name, "html") || strings.HasSuffix(name, "page")) &&
			strings.Contains(text, "<script>alert") {
			t.Errorf("%s has the markup of a client", name)
		}
	}
	if met < 8 {
		t.Errorf("only %d outputs have anything of the hostile texts", met)
	}
	if err := xml.NewDecoder(bytes.NewReader(seen["report as junit"])).Decode(new(struct{})); err != nil &&
		err != io.EOF {
		t.Errorf("JUnit is no XML: %v", err)
	}
}

// get returns what a page is.
func get(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	expect.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	expect.NoError(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
	return data
}
