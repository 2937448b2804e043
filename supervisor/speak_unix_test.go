package supervisor

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func TestAConnectionSpeaks(t *testing.T) {
	t.Parallel()
	over := errors.New("over")
	for name, tt := range map[string]struct {
		do       func(c net.Conn, end context.CancelCauseFunc)
		patience time.Duration
		want     error
	}{
		"a byte":             {func(c net.Conn, _ context.CancelCauseFunc) { c.Write([]byte("x")) }, patience, nil},
		"a byte and the end": {func(c net.Conn, _ context.CancelCauseFunc) { c.Write([]byte("x")); c.Close() }, patience, nil},
		"the end":            {func(c net.Conn, _ context.CancelCauseFunc) { c.Close() }, patience, errMuteClient},
		"a reset":            {func(c net.Conn, _ context.CancelCauseFunc) { c.(*net.TCPConn).SetLinger(0); c.Close() }, patience, errMuteClient},
		"nothing":            {func(net.Conn, context.CancelCauseFunc) {}, time.Millisecond, errSilentClient},
		"the end of the run": {func(_ net.Conn, end context.CancelCauseFunc) { end(over) }, patience, over},
	} {
		for _, before := range []bool{true, false} { // before it is waited for, or after
			client, accepted := connectTCP(t)
			ctx, end := context.WithCancelCause(t.Context())
			done := make(chan struct{})
			if before {
				tt.do(client, end)
				close(done)
			} else {
				go func() { defer close(done); tt.do(client, end) }()
			}
			err := awaitSpeech(ctx, accepted, tt.patience)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, before: %v: %v; want %v", name, before, err, tt.want)
			}
			<-done
			if name == "a byte" && !untouched(accepted) {
				t.Errorf("%s: something was read", name)
			}
			if tt.want == nil { // whoever has it now may take its time
				if n, err := accepted.Read(make([]byte, 10)); n != 1 || err != nil {
					t.Errorf("%s: reading afterwards: %d, %v", name, n, err)
				}
			}
			end(nil)
		}
	}
}
