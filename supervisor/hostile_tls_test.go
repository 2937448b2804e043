package supervisor_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bulkhead/handler/secure"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	bulkheadv1 "bulkhead/proto/bulkhead/v1"
	"bulkhead/supervisor"
	"bulkhead/supervisor/identity"
)

// TestAHandlerThatLiesInItsHandshake serves one client by a handler that was taken over, and that asks
// for signatures which no honest one asks for, or shows handshakes that are not its client's. It is
// killed and named, nothing that it wanted comes of it, and the client beside it has everything.
func TestAHandlerThatLiesInItsHandshake(t *testing.T) {
	t.Parallel()
	const forged = "protocol: the handler forged a TLS handshake: "
	for _, tt := range []struct {
		way      string
		recorded bool // it has the handshake of another client
		cause    string
		honest   bool // that it asks for this is no lie; its client is refused
	}{
		{way: "signs twice", cause: forged + "it asked for a second signature"},
		{way: "signs another twice", cause: forged + "it asked for a second signature"},
		{way: "signs a hash", cause: forged + "it asked to sign 32 bytes that are no CertificateVerify of a server"},
		{way: "signs as a client",
			cause: forged + "it asked to sign 130 bytes that are no CertificateVerify of a server"},
		{way: "signs more", cause: forged + "it asked to sign 144 bytes that are no CertificateVerify of a server"},
		{way: "shows nothing that was signed", cause: forged + "it showed one that it was not asked for"},
		{way: "shows nothing", cause: forged + "it has not the form of a TLS 1.3 handshake"},
		{way: "shows one of another", recorded: true, cause: forged + "it showed that of another connection"},
		{way: "shows one as its own", recorded: true,
			cause: forged + "the client's signature is not that of its certificate"},
		{way: "is nobody", cause: "a certificate is required", honest: true},
	} {
		t.Run(tt.way, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			way := tt.way
			if tt.recorded {
				way += " " + recordedWay + l.recorded(t, "alpha")
			}
			r := start(t, func(cfg *supervisor.Config) {
				l.secure(cfg)
				cfg.TLS.ClientCA, cfg.Handler.Path = l.file("ca.crt"), oneLiar(t, way)
				cfg.Handler.HangTimeout = patience // it answers nothing until it lies
			})
			victim, err := net.Dial("tcp", r.addr) // takes the first handler
			must(t, err)
			defer victim.Close()
			expect.Eventually(t, func() error {
				if r.status().GetHandlersBusy() == 0 {
					return errors.New("nobody serves the victim")
				}
				return nil
			})
			honest := r.dialTLS(l.trusting(t, "bravo"))
			_, err = honest.Greet(rawclient.Hello("bravo"))
			must(t, err)
			must(t, errors.Join(honest.SendBatch(1, 3), honest.AwaitAck(3)))
			_, err = victim.Write([]byte{22}) // now
			must(t, err)
			r.log.await(t, "connection rejected")
			must(t, errors.Join(honest.SendBatch(4, 5), honest.AwaitAck(5), honest.Goodbye(5)))
			if err := honest.End(); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			if n := r.log.count("handler is not to be trusted"); n != 1 && !tt.honest {
				t.Errorf("the lie was logged %d times; want once", n)
			}
			rep := r.wait()
			if got := wantClient(t, rep, "bravo", "closed", "said goodbye"); got.Messages != 5 || got.Resumes != 0 ||
				len(rep.Clients) != 1 {
				t.Errorf("bravo was disturbed, or the liar got a session: %+v", rep.Clients)
			}
			if len(rep.Rejections) != 1 || !strings.Contains(rep.Rejections[0].Reason, tt.cause) ||
				rep.Rejections[0].Peer != victim.LocalAddr().String() {
				t.Fatalf("rejections %+v; want one of %s with %q", rep.Rejections, victim.LocalAddr(), tt.cause)
			}
			pid := int(rep.Rejections[0].HandlerPid)
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("its handler %d is left: %v", pid, err)
			}
		})
	}
}

// recorded writes down the handshake of a client with the supervisor of the lab, as who has taken its
// handler over has it, and returns the file.
func (l lab) recorded(t *testing.T, name string) string {
	t.Helper()
	var cfg supervisor.Config
	l.secure(&cfg)
	cfg.TLS.ClientCA = l.file("ca.crt")
	credentials, err := identity.Load(cfg.Supervisor)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	proofs := make(chan *bulkheadv1.Proof, 1)
	failed := make(chan error, 1)
	go func() { // ends with the client's handshake, or the listener
		conn, err := listener.Accept()
		if err != nil {
			failed <- err
			return
		}
		defer conn.Close()
		n := credentials.NewNotary()
		_, proof, err := secure.Handshake(context.Background(), conn, n.Secure(), n.Sign)
		if v, wrong := n.Prove(proof); err == nil && (wrong != nil || v.Identity.GetName() != name) {
			err = fmt.Errorf("it is %v, %w", v, wrong)
		}
		proofs <- proof
		failed <- err
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), l.trusting(t, name))
	must(t, err)
	defer conn.Close()
	must(t, <-failed)
	file := filepath.Join(t.TempDir(), "handshake")
	must(t, os.WriteFile(file, (<-proofs).GetMessages(), 0o600))
	return file
}
