package isolation_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"bulkhead/internal/certs"
	"bulkhead/internal/testing/harness/expect"
	"bulkhead/internal/testing/rawclient"
	"bulkhead/supervisor/report"
)

// lab is a folder with the certificates of a test.
type lab string

// newLab makes certificates that are valid for so long.
func newLab(t *testing.T, valid time.Duration, clients ...string) lab {
	t.Helper()
	dir := t.TempDir()
	_, err := certs.Init(dir, certs.Plan{Addresses: []string{"127.0.0.1"}, Clients: clients, Valid: valid})
	expect.NoError(t, err)
	return lab(dir)
}

func (l lab) file(name string) string { return filepath.Join(string(l), name) }

// flags are those of a supervisor with the lab's certificate.
func (l lab) flags() []string {
	return []string{"--tls-cert", l.file(certs.SupervisorFile), "--tls-key", l.file(certs.SupervisorKey)}
}

// client is the TLS of a client, with the certificate of name unless that is "".
func (l lab) client(t *testing.T, name string) *tls.Config {
	t.Helper()
	pool, err := certs.LoadPool(l.file(certs.CAFile))
	expect.NoError(t, err)
	cfg := &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}
	if name != "" {
		cert, key := certs.Files(name)
		pair, err := certs.LoadPair(l.file(cert), l.file(key))
		expect.NoError(t, err)
		cfg.Certificates = []tls.Certificate{pair.TLS()}
	}
	return cfg
}

// over is how a scripted client speaks TLS.
func over(cfg *tls.Config) grpc.DialOption {
	return grpc.WithTransportCredentials(credentials.NewTLS(cfg))
}

// dialTo connects a scripted client that ends with the test.
func (s *running) dialTo(addr string, options ...grpc.DialOption) *rawclient.Client {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	c, err := rawclient.Dial(ctx, addr, options...)
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close(); cancel() })
	return c
}

// Records of TLS (RFC 8446, section 5.1), and the first message of a client in them.
const (
	recordHeader    = 5
	recordHandshake = 22
	clientHello     = 1
)

// fragmenter carries connections to a supervisor, and what a client sends of its handshake in the clear
// it sends in smaller records, or smaller segments. That is nobody's to forbid.
type fragmenter struct {
	to              string
	record, segment int           // bytes of a record's content, and of a segment; 0 leaves them as they are
	hellos, cuts    atomic.Uint32 // how many ClientHellos passed, and in how many records
}

// listen carries connections until the end of the test, and returns where.
func (f *fragmenter) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	expect.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() { // ends with the listener
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", f.to)
			if err != nil {
				near.Close()
				return
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			go func() { // both end with the connection, at the latest with the test
				_, _ = io.Copy(near, far)
				near.Close()
			}()
			go func() {
				_ = f.carry(far, bufio.NewReader(near))
				far.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// carry passes on what a client sends.
func (f *fragmenter) carry(to io.Writer, from *bufio.Reader) error {
	for {
		header := make([]byte, recordHeader)
		if _, err := io.ReadFull(from, header); err != nil {
			return err
		}
		content := make([]byte, binary.BigEndian.Uint16(header[3:]))
		if _, err := io.ReadFull(from, content); err != nil {
			return err
		}
		record, segment := f.record, f.segment
		if header[0] == recordHandshake {
			if content[0] == clientHello {
				f.hellos.Add(1)
			}
		} else { // which nobody can cut: it is sealed
			record, segment = 0, 0
		}
		for len(content) > 0 {
			n := len(content)
			if record > 0 {
				n = min(n, record)
			}
			if header[0] == recordHandshake {
				f.cuts.Add(1)
			}
			wire := append(binary.BigEndian.AppendUint16(append([]byte{}, header[:3]...), uint16(n)), content[:n]...)
			content = content[n:]
			for len(wire) > 0 {
				n := len(wire)
				if segment > 0 {
					n = min(n, segment)
				}
				if _, err := to.Write(wire[:n]); err != nil {
					return err
				}
				wire = wire[n:]
			}
		}
	}
}

// piped is a connection over the standard streams of a program that speaks TLS.
type piped struct {
	io.Reader
	io.WriteCloser
	program *exec.Cmd
}

func (piped) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (piped) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (piped) SetDeadline(time.Time) error      { return nil }
func (piped) SetReadDeadline(time.Time) error  { return nil }
func (piped) SetWriteDeadline(time.Time) error { return nil }

func (p piped) Close() error {
	return errors.Join(p.WriteCloser.Close(), p.program.Process.Kill(), p.program.Wait())
}

// openssl is how a scripted client speaks TLS by the program of OpenSSL, which offers the server a group
// that it does not know, so that it asks for another in a HelloRetryRequest.
func (l lab) openssl(t *testing.T, name string) grpc.DialOption {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	cert, key := certs.Files(name)
	return grpc.WithContextDialer(func(_ context.Context, addr string) (net.Conn, error) {
		c := exec.Command(program, "s_client", "-quiet", "-connect", addr, "-tls1_3", "-groups", "X448:X25519", "-alpn",
			"h2", "-CAfile", l.file(certs.CAFile), "-verify_return_error", "-verify_ip", "127.0.0.1",
			"-cert", l.file(cert), "-key", l.file(key))
		in, err := c.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, err
		}
		return piped{out, in, c}, c.Start()
	})
}

// Clients whose ClientHello comes in pieces of any size are let in, and have proven who they are by their
// handshake: byte by byte, in records of one byte, and, with a key share that fills several, behind a
// HelloRetryRequest.
func TestFragmentedHellosProveTheirClients(t *testing.T) {
	t.Parallel()
	l := newLab(t, time.Hour, "alpha")
	for _, row := range []struct {
		name            string
		record, segment int
		leastCuts       uint32
		retried         bool
	}{
		{name: "whole", leastCuts: 1},
		{name: "a byte a segment", segment: 1, leastCuts: 1},
		{name: "a byte a record", record: 1, leastCuts: 1216}, // of which an ML-KEM share has so many
		{name: "a byte a record and a segment", record: 1, segment: 1, leastCuts: 1216},
		{name: "the header apart", record: 4, leastCuts: 304},
		{name: "three records", record: 600, leastCuts: 3},
		{name: "retried", leastCuts: 2, retried: true},
		{name: "retried, a byte a record", record: 1, leastCuts: 300, retried: true},
		{name: "retried, a byte a segment", segment: 1, leastCuts: 2, retried: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, append(l.flags(), "--tls-client-ca", l.file(certs.CAFile), "--handler-pool", "1")...)
			f := &fragmenter{to: s.Addr, record: row.record, segment: row.segment}
			speak := over(l.client(t, "alpha"))
			if row.retried {
				speak = l.openssl(t, "alpha")
			}
			c := s.dialTo(f.listen(t), speak)
			greet(t, c, rawclient.Hello("alpha"))
			say(t, c)
			rep := s.finish(exitComplete)
			who := rep.Clients[0].Identity
			if who == nil || who.Kind != report.IdentityCertificate || who.Name != "alpha" {
				t.Errorf("the client is %+v", who)
			}
			hellos := uint32(1)
			if row.retried {
				hellos = 2
			}
			if f.hellos.Load() != hellos || f.cuts.Load() < row.leastCuts {
				t.Errorf("%d ClientHellos passed in %d records; want %d in %d at least", f.hellos.Load(), f.cuts.Load(),
					hellos, row.leastCuts)
			}
		})
	}
}

// capturedHello returns the record of a client's first message.
func capturedHello(t *testing.T, cfg *tls.Config) []byte {
	t.Helper()
	near, far := net.Pipe()
	go func() { // ends when far is closed
		_ = tls.Client(near, cfg).Handshake()
		near.Close()
	}()
	defer far.Close()
	header := make([]byte, recordHeader)
	_, err := io.ReadFull(far, header)
	expect.NoError(t, err)
	record := append(header, make([]byte, binary.BigEndian.Uint16(header[3:]))...)
	_, err = io.ReadFull(far, record[recordHeader:])
	expect.NoError(t, err)
	return record
}

// truncations are ways to begin a handshake and not to end it. hello is a client's first record.
func truncations(hello []byte) []foreign {
	const late, gone = "client did not end its TLS handshake in time",
		"client closed the connection in its TLS handshake"
	hangUp := func(b []byte) func(net.Conn) {
		return func(c net.Conn) {
			bytesOf(b)(c)
			_ = c.(*net.TCPConn).CloseWrite()
		}
	}
	half := hello[:len(hello)/2]
	apart := func(n int) []byte { // the first n bytes of the message, each in a record of its own
		var b []byte
		for _, one := range hello[recordHeader:][:n] {
			b = append(b, recordHandshake, 3, 1, 0, 1, one)
		}
		return b
	}
	slowly := 2 * helloTimeout / time.Duration(len(hello))
	return []foreign{
		{name: "one byte", say: bytesOf(hello[:1]), reason: late},
		{name: "a record's header", say: bytesOf(hello[:recordHeader]), reason: late},
		{name: "a message's header", say: bytesOf(hello[:recordHeader+4]), reason: late},
		{name: "half a hello", say: bytesOf(half), reason: late},
		{name: "all but a byte", say: bytesOf(hello[:len(hello)-1]), reason: late},
		{name: "half a hello in records of a byte", say: bytesOf(apart(len(half))), reason: late},
		{name: "all but a byte in records of a byte", say: bytesOf(apart(len(hello) - recordHeader - 1)), reason: late},
		{name: "the largest record, and nothing in it", say: bytesOf([]byte{recordHandshake, 3, 1, 0x40, 0}),
			reason: late},
		{name: "a hello, and nothing more", say: bytesOf(hello), reason: late},
		{name: "a hello byte by byte", say: dripping(slowly, hello), reason: late},
		{name: "one byte and gone", say: hangUp(hello[:1]), reason: gone},
		{name: "half a hello and gone", say: hangUp(half), reason: gone},
		{name: "half a hello in records of a byte and gone", say: hangUp(apart(len(half))), reason: gone},
	}
}

// Who begins a TLS handshake and does not end it is refused when the time for a Hello is over, with a
// reason; all the while another client continues.
func TestTruncatedHellosAreCutOff(t *testing.T) {
	t.Parallel()
	l := newLab(t, time.Hour, "bystander")
	s := start(t, append(l.flags(), "--tls-client-ca", l.file(certs.CAFile), "--session-hello-timeout",
		helloTimeout.String(), "--handler-pool", "14")...)
	by := startLoad(t, s, rawclient.Hello("bystander"), 1, 8, 1, over(l.client(t, "bystander")))
	by.goesOn(t)
	list := truncations(capturedHello(t, l.client(t, "")))
	var all []*intruder
	for _, f := range list {
		all = append(all, f.intrude(s.Addr))
	}
	peers := make(map[string]string)
	for _, i := range all {
		by.goesOn(t)
		peers[i.name] = i.shown(t)
	}
	by.goesOn(t)
	sent := by.finish(t)
	rep := s.finish(exitComplete)
	journalled(t, s, map[*load]uint64{by: sent})
	unharmed(t, rep, by, sent)
	rejected(t, rep, list, peers)
}
