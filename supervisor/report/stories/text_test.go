package stories

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/human"
	"bulkhead/internal/plaintext"
	"bulkhead/internal/testing/folded"
	"bulkhead/internal/testing/story"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor/report"
	"bulkhead/supervisor/report/fold"
	"bulkhead/supervisor/report/render"
)

// checkPrintable checks that nothing but printable text and line ends is there.
func checkPrintable(t *testing.T, text []byte) {
	t.Helper()
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r != '\n' && (!unicode.IsPrint(r) || (r == utf8.RuneError && size == 1)) {
			t.Fatalf("byte %d is %q, in %q", i, r, text[max(i-40, 0):min(i+40, len(text))])
		}
		i += size
	}
}

func TestTextIsPlainAndNarrow(t *testing.T) {
	for _, story := range story.Stories {
		text, _ := rendered(t, folded.All(t, story.Write(t)))
		checkPrintable(t, text)
		for _, line := range strings.Split(string(text), "\n") {
			if human.Columns(line) > render.PageWidth && !strings.HasPrefix(line, "  - ") &&
				!strings.HasPrefix(line, "      ") {
				t.Errorf("%s: %d columns: %s", story.Name, human.Columns(line), line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: spaces at the end of %q", story.Name, line)
			}
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	want := folded.All(t, story.Disturbed(t))
	_, data := rendered(t, want)
	got := new(report.Report)
	if err := json.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestJSONKeepsAngleBracketsReadable(t *testing.T) {
	s := story.New(t, 0)
	s.Rejected(1, 1, "", "", `<html> & "more"`)
	if _, data := rendered(t, folded.All(t, s.Records)); !bytes.Contains(data, []byte(`<html> & \"more\"`)) {
		t.Errorf("the reason is not there as it was:\n%s", data)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteErrorsAreReturned(t *testing.T) {
	full := errors.New("disk full")
	r := fold.NewFolder().Report()
	if err := render.Text(r, brokenWriter{full}); !errors.Is(err, full) {
		t.Errorf("Text returns %v", err)
	}
	if err := r.JSON(brokenWriter{full}); !errors.Is(err, full) {
		t.Errorf("JSON returns %v", err)
	}
}

// A run of many keeps to a page for each client, and leads with what went wrong.
func TestTextOfManyStaysReadable(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Consumers = 300
	a.Start()
	odd := map[int32]*bulkheadv1.ProcessExit{a.Pid(story.KindConsumer, 250): story.KilledExit()}
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_RUNTIME, "", odd))
	for i := range uint64(300) {
		exit := story.CleanExit()
		if i == 3 {
			exit = story.KilledExit()
		}
		s.HandlerExited(100+i, 0, 6000+int32(i), time.Second, exit, "")
	}
	text, _ := rendered(t, folded.All(t, s.Records))
	for _, want := range []string{"consumer 250  5370", "270 more processes in report.json",
		"6003  rejected connection",
		"6299  rejected connection", "261 more handlers in report.json"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the text does not say %q", want)
		}
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 200 {
		t.Errorf("%d lines", lines)
	}
}

// Of many clients each has its line, and those have a part of their own that did not close,
// or of which there is something else to say.
func TestTextOfManyClientsShowsTheOddOnes(t *testing.T) {
	f := fold.NewFolder()
	story.Crowd(t, 500, 1, 3, func(r *bulkheadv1.Record) {
		if err := f.Add(r); err != nil {
			t.Fatal(err)
		}
	})
	r := f.Report()
	r.Clients[320].Outcome = report.OutcomeLost
	r.Clients[444].Errors = 3
	text, _ := rendered(t, r)
	for _, c := range r.Clients {
		if !bytes.Contains(text, []byte("\n  "+c.Label+"  ")) {
			t.Fatalf("client %s has no line", c.Label)
		}
	}
	shown := regexp.MustCompile(`(?m)^CLIENT (\S+)`).FindAllSubmatch(text, -1)
	var names []string
	for _, match := range shown {
		names = append(names, string(match[1]))
	}
	// The last one is in a finding: it was done late.
	if len(names) != render.ShownClients || !slices.IsSorted(names) || !slices.Contains(names, "client-321") ||
		!slices.Contains(names, "client-445") || !slices.Contains(names, "client-500") {
		t.Errorf("in detail are %q", names)
	}
	if !bytes.Contains(text, []byte("\n480 clients more in detail in report.json\n")) {
		t.Error("the text does not say that it leaves clients out")
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 2000 {
		t.Errorf("%d lines", lines)
	}
}

// A text of several lines stays one where it belongs, and cannot pass for anything else.
func TestTextsOfSeveralLines(t *testing.T) {
	s := story.New(t, 1)
	a := s.Arrive("a", 1, 1, 4001, 0)
	a.Start()
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_FAILED, "one\r\n\n\ttwo\n  - client b: lost\nHANDLERS\x1b[2J", nil))
	a.End(bulkheadv1.Outcome_OUTCOME_CLOSED, "a\nb")
	s.Rejected(9, 4009, "", "", "first\nsecond")
	r := folded.All(t, s.Records)
	if got, want := r.Clients[0].StopDetail, "one\ntwo\n- client b: lost\nHANDLERS\\x1b[2J"; got != want {
		t.Errorf("detail %q, want %q", got, want)
	}
	text, _ := rendered(t, r)
	for _, want := range []string{
		"  - client a: its load could not continue: one\n      two\n      - client b: lost\n      HANDLERS\\x1b[2J\n",
		"  load ended   failed, after 0s: one\n                 two\n                 - client b: lost\n             " +
			"    HANDLERS\\x1b[2J\n",
		"  first; second\n",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the text does not say\n%s\nbut\n%s", want, text)
		}
	}
	long := plaintext.Lines(strings.Repeat("x\n", 10_000))
	if lines := strings.Count(long, "\n"); lines != plaintext.MaxLines || !strings.HasSuffix(long, "\n…") {
		t.Errorf("%d lines of many, ending in %q", lines, long[len(long)-5:])
	}
}

// Long names, paths and causes are cut where they are in a table, and break no column;
// elsewhere only a long word takes more than a line has.
func TestLongTextsKeepTheColumns(t *testing.T) {
	long := func(c string, n int) string { return strings.Repeat(c, n) }
	s := story.New(t, 1)
	a := s.Arrive(long("n", 128), 1, 1, 4001, 0)
	hello := s.Records[1].GetSessionOpened().GetHello()
	hello.Host, hello.Labels = long("h", 255), map[string]string{long("k", 128): long("v", 128)}
	s.Records[2].GetSessionAttached().Peer = "[" + long("f", 120) + "]:7420"
	a.Start()
	file := a.Rollover(0, 0, true)
	file.GetRollover().Path = "/mnt/" + long("d", 300) + "/00000000.dat"
	a.Say(file, a.Progress(0, 1, 1, "write "+long("p", 300)+": "+long("words ", 30)),
		a.Heartbeat(1, &bulkheadv1.HeartbeatMiss{Process: a.Process(story.KindConsumer, 1), Reason: long("m", 300)}))
	a.Say(a.Stop(bulkheadv1.StopReason_STOP_REASON_FAILED, long("detail ", 60), map[int32]*bulkheadv1.ProcessExit{
		a.Pid(story.KindConsumer, 1): {Class: bulkheadv1.ExitClass_EXIT_CLASS_OOM, Cause: long("c", 500)}}))
	a.At(time.Second).Detach(1, long("gone ", 90))
	a.At(2*time.Second).AttachAfter(story.Network, 0, long("e", 500), 2, 4002)
	a.At(3*time.Second).End(bulkheadv1.Outcome_OUTCOME_QUARANTINED, long("poison ", 60))
	s.Rejected(9, 4009, "["+long("f", 120)+"]:7420", long("r", 128), long("why ", 100))
	s.Handler(2, 1, 4002, bulkheadv1.ExitClass_EXIT_CLASS_CRASH, long("x", 500), true)
	text, _ := rendered(t, folded.All(t, s.Records))
	table := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if human.Columns(line) <= render.PageWidth {
			if strings.HasPrefix(line, render.Indent+render.Indent) {
				table++
			}
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.TrimSpace(value)
		judged := name == "-"
		heading := name == "CLIENT"
		word := strings.HasPrefix(line, render.Indent) && human.Columns(strings.Fields(value)[0]) > 100
		if !judged && !heading && !word {
			t.Errorf("%d columns: %s", human.Columns(line), line)
		}
	}
	if table < 20 {
		t.Errorf("%d lines of tables", table)
	}
}
