package agent

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bulkhead/internal/testing/scripted"
)

// started starts a program in the place of a client, which is a shell script. ROOT in it is the
// machine's.
func started(t *testing.T, script string) (root string, a *agent, c *client) {
	t.Helper()
	return startedIn(t, nil, script)
}

// startedIn does that with these folders, or ROOT/work and one of the agent's.
func startedIn(t *testing.T, folders *Folders, script string) (root string, a *agent, c *client) {
	t.Helper()
	root, limits := machine(t)
	if folders == nil {
		folders = &Folders{Own: t.TempDir(), Work: filepath.Join(root, "work")}
		must(t, os.Mkdir(folders.Work, 0o700))
	}
	program := filepath.Join(t.TempDir(), "client")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "ROOT", root)), 0o755))
	a = newAgent(Config{Logger: slog.New(slog.DiscardHandler), Limits: limits, Program: program,
		Folders: folders, Output: &bytes.Buffer{}})
	c, err := a.startClient(taskOf("path: " + root + "/allowed"))
	must(t, err)
	t.Cleanup(func() {
		c.kill()
		c.wait()
	})
	return root, a, c
}

// Whatever leads elsewhere when a client opens it – a link that was put there after the check –, a
// client and what it starts change nothing but what is allowed and its working folder.
func TestAClientIsConfined(t *testing.T) {
	if _, err := confinement(); err != nil {
		t.Skip(err)
	}
	root, _, c := started(t, `
echo mine >ROOT/allowed/new && mkdir ROOT/allowed/folder && rm ROOT/allowed/new && echo own >ROOT/work/own || exit 9
exec 2>ROOT/work/said
echo secret >ROOT/before
escaped() { "$@" && echo "$*" >>ROOT/work/escaped; }
escaped sh -c 'echo x >ROOT/allowed/out/new'
escaped sh -c 'echo x >ROOT/allowed/abs/new'
escaped sh -c 'echo x >>ROOT/secret/thesis'
escaped sh -c ': >ROOT/secret/thesis'
escaped truncate -s 0 ROOT/secret/thesis
escaped rm ROOT/secret/empty
escaped rmdir ROOT/secret/folder
escaped mkdir ROOT/secret/other
escaped ln -s / ROOT/allowed/link
escaped mkfifo ROOT/allowed/pipe
escaped mv ROOT/secret/empty ROOT/allowed/empty
cat ROOT/allowed/file || exit 8
`)
	if end := c.wait(); end.status != 0 || end.signal != 0 {
		said, _ := os.ReadFile(filepath.Join(root, "work/said"))
		t.Errorf("the client ended with %+v: %s", end, said)
	}
	if escaped, err := os.ReadFile(filepath.Join(root, "work/escaped")); err == nil {
		t.Errorf("it could:\n%s", escaped)
	}
	if left := scripted.Names(t, filepath.Join(root, "secret")); len(left) > 0 {
		t.Errorf("elsewhere are %q", left)
	}
	if _, err := os.Stat(filepath.Join(root, "before")); err == nil {
		t.Error("it could write above what is allowed")
	}
	// The agent itself is not.
	must(t, os.WriteFile(filepath.Join(root, "after"), nil, 0o600))
}

// However often a supervisor asks, a client ends in order: only its owner can hurry it.
func TestASupervisorCannotHurryAClient(t *testing.T) {
	_, _, c := started(t, "trap : TERM\nwhile :; do sleep 1; done")
	for range 5 {
		(&task{client: c}).stop("because", false)
	}
	c.mu.Lock()
	asked := c.asked
	c.mu.Unlock()
	if asked != 1 {
		t.Errorf("it was asked %d times", asked)
	}
	c.stop("the owner", true)
	if c.asked != 2 {
		t.Errorf("by its owner it was asked %d times", c.asked)
	}
}
