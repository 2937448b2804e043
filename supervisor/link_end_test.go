package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bulkhead/internal/testing/harness"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor"
)

// Handlers that die as soon as they serve, whatever their client does, are said to, and are started
// later until they serve again. Then a client is served.
func TestHandlersThatServeAndDie(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, broken := filepath.Join(dir, "handler"), filepath.Join(dir, "broken")
	must(t, os.WriteFile(broken, nil, 0o600))
	must(t, harness.WriteProgram(path, fmt.Appendf(nil,
		"#!/bin/sh\nif [ -e '%s' ]; then %s='die at once'; export %s; fi\nexec '%s'\n", broken, lieEnv, lieEnv,
		os.Args[0])))
	s := start(t, func(c *supervisor.Config) {
		c.Handler.Path = path
		c.Clients.Count = 1
		c.Overload.CrashDelay = 0 // it is not the address
		c.Session.HelloTimeout = patience
	})
	const early = "handlers end as soon as they serve"
	for deadline := time.Now().Add(patience); s.log.count(early) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody says that handlers die")
		}
		victim, err := net.Dial("tcp", s.addr)
		must(t, err)
		_, _ = io.Copy(io.Discard, victim) // until it is cut off
		victim.Close()
	}
	s.log.await(t, early, "cause", "exit status 77")
	must(t, os.Remove(broken))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var alpha *rawclient.Client
	for alpha == nil {
		c, err := rawclient.Dial(ctx, s.addr)
		if err == nil {
			if _, err = c.Greet(rawclient.Hello("alpha")); err == nil {
				alpha = c
				break
			}
			c.Close()
		}
		must(t, ctx.Err())
	}
	defer alpha.Close()
	must(t, errors.Join(alpha.SendBatch(1, 3), alpha.AwaitAck(3)))
	s.log.await(t, "handlers serve again")
	must(t, alpha.Goodbye(3))
	if err := alpha.End(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	wantClient(t, s.wait(), "alpha", "closed", "")
}
