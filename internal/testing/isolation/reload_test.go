package isolation_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/internal/certs"
	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// put moves a file into the place of another, as a careful program does.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	expect.NoError(t, os.WriteFile(path+".next", data, 0o600))
	expect.NoError(t, os.Rename(path+".next", path))
}

// use gives the lab the supervisor's certificate and key of another.
func (l lab) use(t *testing.T, other lab) {
	t.Helper()
	for _, name := range []string{certs.SupervisorFile, certs.SupervisorKey} {
		data, err := os.ReadFile(other.file(name))
		expect.NoError(t, err)
		put(t, l.file(name), data)
	}
}

// leaf returns the supervisor's certificate.
func (l lab) leaf(t *testing.T) []byte {
	t.Helper()
	list, err := certs.LoadAll(l.file(certs.SupervisorFile))
	expect.NoError(t, err)
	return list[0].Raw
}

// shows returns the certificate that a supervisor shows to who connects now.
func (s *running) shows() []byte {
	s.t.Helper()
	whichever := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} // it is compared
	c, err := tls.Dial("tcp", s.Addr, whichever)
	expect.NoError(s.t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Raw
}

// awaitShown waits until a supervisor shows the certificate of a lab.
func (s *running) awaitShown(l lab) {
	s.t.Helper()
	want := l.leaf(s.t)
	expect.Eventually(s.t, func() error {
		if !bytes.Equal(s.shows(), want) {
			return fmt.Errorf("the certificate is still that of before")
		}
		return nil
	})
}

// Certificates that change count for who connects then, without a word or at SIGHUP, which is an upgrade;
// connections that there are go on. Files that cannot be used change nothing: the log says why, and there
// is no upgrade with them.
func TestCertificatesAreReloaded(t *testing.T) {
	t.Parallel()
	files, first, second := newLab(t, time.Hour), newLab(t, time.Hour), newLab(t, time.Hour)
	files.use(t, first)
	s := start(t, append(files.flags(), "--clients", "3")...)
	clients := make(map[string]*rawclient.Client)
	sent := uint64(0)
	connect := func(name string, to lab) {
		t.Helper()
		c := s.dialTo(s.Addr, over(to.client(t, "")))
		greet(t, c, rawclient.Hello(name))
		expect.NoError(t, c.SendBatch(1, max(sent, 1)))
		expect.NoError(t, c.AwaitAck(max(sent, 1)))
		sent = max(sent, 1)
		clients[name] = c
	}
	goOn := func(when string) {
		t.Helper()
		sent++
		for name, c := range clients {
			if err := c.SendBatch(sent, sent); err != nil {
				t.Fatalf("%s, %s: %v", when, name, err)
			}
			if err := c.AwaitAck(sent); err != nil {
				t.Fatalf("%s, %s: %v", when, name, err)
			}
		}
	}
	said := func(text string) {
		t.Helper()
		_, err := s.Await(patience, func(l harness.LogLine) bool { return strings.HasPrefix(l.Text("msg"), text) })
		expect.NoError(t, err)
	}
	connect("first", first)

	files.use(t, second) // and nobody says so
	s.awaitShown(second)
	connect("second", second)
	goOn("with new files")

	key, err := os.ReadFile(files.file(certs.SupervisorKey))
	expect.NoError(t, err)
	put(t, files.file(certs.SupervisorKey), []byte("no key\n"))
	said("certificates and tokens were changed and cannot be used; those of before stay")
	if !bytes.Equal(s.shows(), second.leaf(t)) {
		t.Error("with a broken key the certificate is another")
	}
	expect.NoError(t, s.Signal(syscall.SIGHUP))
	said("no upgrade; nothing was changed")
	if !bytes.Equal(s.shows(), second.leaf(t)) || s.status().GetRestarts() != 0 {
		t.Errorf("SIGHUP with a broken key changes something: %v", s.status())
	}
	goOn("with a broken key")

	put(t, files.file(certs.SupervisorKey), key)
	files.use(t, first)
	expect.NoError(t, s.Signal(syscall.SIGHUP))
	s.restarts(1)
	if !bytes.Equal(s.shows(), first.leaf(t)) {
		t.Error("the certificate is not that of the files after SIGHUP")
	}
	goOn("after SIGHUP")
	connect("third", first)
	for _, c := range clients {
		goodbye(t, c, sent)
	}
	rep := s.finish(exitComplete)
	for _, c := range rep.Clients {
		if c.Resumes != 0 || c.Messages != sent {
			t.Errorf("client %s has %d messages and %d resumes; want %d and none", c.Label, c.Messages, c.Resumes, sent)
		}
	}
}

// printed returns what `bulkhead supervisor status` prints.
func (s *running) printed(flags ...string) string {
	s.t.Helper()
	out, err := exec.Command(filepath.Join(bin, "bulkhead"), append([]string{"supervisor", "status", "--state-dir",
		s.StateDir}, flags...)...).Output()
	expect.NoError(s.t, err)
	return string(out)
}

// A certificate that ends in less than 14 days is in the log, the status and the report; one that has
// ended as well, and with it the supervisor starts all the same: who is connected is, and the files may
// be followed by others at any time. Clients do not connect, and say why.
func TestACertificateThatEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name                    string
		valid                   time.Duration
		said, shown, found, not string
	}{
		{name: "in time", valid: 15 * 24 * time.Hour, shown: "which expires in 14 days"},
		{name: "soon", valid: 14*24*time.Hour - time.Minute, said: "the supervisor's certificate expires soon",
			shown: "which expires in 13 days", found: "the supervisor's certificate expires 13 days after the run"},
		{name: "ended", valid: -time.Minute,
			said:  "the supervisor's certificate has expired; clients will not connect",
			shown: "which has expired", found: "the supervisor's certificate has expired: clients will not connect",
			not: "the supervisor's certificate is not accepted: certificate has expired"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, row.valid, "alpha")
			s := start(t, l.flags()...)
			if row.said != "" {
				_, err := s.Await(patience, func(l harness.LogLine) bool { return l.Text("msg") == row.said })
				expect.NoError(t, err)
			} else if strings.Contains(s.Log(), "the supervisor's certificate") {
				t.Error("the log has something to say of it")
			}
			if text := s.printed(); !strings.Contains(text, row.shown) {
				t.Errorf("status prints\n%s\nwant %q", text, row.shown)
			}
			list, err := certs.LoadAll(l.file(certs.SupervisorFile))
			expect.NoError(t, err)
			if text := s.printed("--json"); !strings.Contains(text, fmt.Sprint(list[0].NotAfter.UnixNano())) {
				t.Errorf("status --json prints\n%s\nwant the end of the certificate, %d", text,
					list[0].NotAfter.UnixNano())
			}
			trust := l.client(t, "")
			if row.not != "" {
				c, err := harness.StartClient(bin, shortFolder(t, "load"), s.Addr, "late", "--tls-ca",
					l.file(certs.CAFile))
				expect.NoError(t, err)
				t.Cleanup(c.Kill)
				code, err := c.Wait(patience)
				expect.NoError(t, err)
				if code != exitFailure || !strings.Contains(c.Stderr.String(), row.not) {
					t.Errorf("the client exits with %d and says\n%s", code, &c.Stderr)
				}
				trust.InsecureSkipVerify = true // so that the run can end
			}
			c := s.dialTo(s.Addr, over(trust))
			greet(t, c, rawclient.Hello("alpha"))
			say(t, c)
			found := ""
			for _, f := range s.finish(exitComplete).Findings {
				if f.Kind == report.FindingCertificate {
					found = f.Text
				}
			}
			if found != row.found {
				t.Errorf("the report finds %q; want %q", found, row.found)
			}
		})
	}
}

// A certificate that ends while the supervisor runs is told of then. Connections go on.
func TestACertificateThatEndsWhileItIsUsed(t *testing.T) {
	t.Parallel()
	l := newLab(t, 4*time.Second)
	s := start(t, l.flags()...)
	trust := l.client(t, "")
	trust.InsecureSkipVerify = true // the machine may have been slow
	c := s.dialTo(s.Addr, over(trust))
	greet(t, c, rawclient.Hello("alpha"))
	_, err := s.Await(patience, func(l harness.LogLine) bool {
		return l.Text("msg") == "the supervisor's certificate has expired; clients will not connect"
	})
	expect.NoError(t, err)
	say(t, c)
	s.finish(exitComplete)
}
