package isolation_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// browser returns where a supervisor serves http.
func (s *running) browser() string {
	s.t.Helper()
	l, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == "http is served" })
	expect.NoError(s.t, err)
	return strings.TrimSuffix(l.Text("url"), "/")
}

// answers waits until a path answers with status and text.
func answers(t *testing.T, url string, status int, has func(body []byte) error) {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	expect.Eventually(t, func() error {
		res, err := c.Get(url)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if res.StatusCode != status {
			return fmt.Errorf("%s answers %s: %s", url, res.Status, body)
		}
		return has(body)
	})
}

// An upgrade under load hands the listener for browsers over: its address stays, no
// request is refused meanwhile, browsers that listen to events are told, and the report
// so far is whole again. A load with somebody who reads no events is not disturbed.
func TestUpgradeWithHTTP(t *testing.T) {
	t.Parallel()
	s := start(t, "--clients", "2", "--http", "127.0.0.1:0")
	url := s.browser()
	host := strings.TrimPrefix(url, "http://")
	listen := func() *bufio.Reader {
		conn, err := net.Dial("tcp", host)
		expect.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		expect.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		expect.NoError(t, err)
		return bufio.NewReader(conn)
	}
	events, _ := listen(), listen() // the second is never read
	all := loads(t, s, 2)
	said, err := s.upgrade(bin)
	if err != nil {
		t.Fatalf("upgrade: %v\n%s", err, said)
	}
	rest, err := io.ReadAll(events)
	if err != nil || !strings.Contains(string(rest), "event: end\n") {
		t.Errorf("who listens gets %v, %q", err, rest)
	}
	answers(t, url+"/readyz", http.StatusOK, func([]byte) error { return nil })
	s.restarts(1)
	for _, l := range all {
		l.goesOn(t)
	}
	answers(t, url+"/api/report", http.StatusOK, func(body []byte) error {
		var rep report.Report
		expect.NoError(t, json.Unmarshal(body, &rep))
		if len(rep.Clients) != 2 || len(rep.Run.Restarts) != 1 || rep.Totals.Messages == 0 ||
			len(rep.Journal.Violations) > 0 {
			return fmt.Errorf("%d clients, %d restarts, %d messages, %v", len(rep.Clients), len(rep.Run.Restarts),
				rep.Totals.Messages, rep.Journal.Violations)
		}
		return nil
	})
	if line, err := listen().ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("events after the upgrade: %v, %q", err, line)
	}
	sent := finishAll(t, all)
	rep := s.finish(exitComplete)
	journalled(t, s, sent)
	for _, l := range all {
		unharmed(t, rep, l, sent[l])
	}
}

// An upgrade does not fail because of http: a listener that the next program is not to
// have is let go of, and one that it cannot have is done without.
func TestUpgradeWithoutItsHTTP(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	expect.NoError(t, err)
	defer taken.Close()
	for name, next := range map[string]string{"none": "", "an address that is taken": taken.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newConfig(t, "http: {listen: \"127.0.0.1:0\"}\n")
			s := start(t, "--clients", "1", "--config", config)
			url := s.browser()
			l := startLoad(t, s, rawclient.Hello("alpha"), 1, 4, 2)
			l.goesOn(t)
			writeConfig(t, config, fmt.Sprintf("http: {listen: %q}\n", next))
			if said, err := s.upgrade(bin); err != nil {
				t.Fatalf("upgrade: %v\n%s", err, said)
			}
			s.restarts(1)
			if res, err := http.Get(url + "/healthz"); err == nil {
				res.Body.Close()
				t.Errorf("the old address answers %s", res.Status)
			}
			l.goesOn(t)
			finishAll(t, []*load{l})
			s.finish(exitComplete)
		})
	}
}

// newConfig returns a configuration file with a text in it.
func newConfig(t *testing.T, text string) string {
	t.Helper()
	path := t.TempDir() + "/supervisor.yaml"
	writeConfig(t, path, text)
	return path
}

func writeConfig(t *testing.T, path, text string) {
	t.Helper()
	expect.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
