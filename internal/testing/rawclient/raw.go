package rawclient

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// Raw is one connection on which the caller sends each HTTP/2 frame, right or wrong. One
// goroutine uses it.
type Raw struct {
	net.Conn
	*http2.Framer
	answers *http2.Framer // of Recv, which may run beside what the caller writes
	headers bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	fields  map[string]string // of the header block that was decoded last
	// GoAway is the last GOAWAY that came; nil if none did.
	GoAway *GoAway
	// Pings counts the answers to pings.
	Pings int
}

// GoAway is what a GOAWAY says.
type GoAway struct {
	Code  http2.ErrCode
	Words string
}

// DialRaw connects and sends the preface and a first SETTINGS frame. Reading ends with
// the patience.
func DialRaw(addr string, patience time.Duration) (*Raw, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	// Buffered, as a client reads that is in no hurry to lose what is said last: 20 000 answers to
	// pings take 40 000 reads of a socket otherwise, and the last word waits behind them.
	r := &Raw{Conn: conn, Framer: http2.NewFramer(conn, bufio.NewReader(conn)), answers: http2.NewFramer(conn, nil)}
	r.AllowIllegalWrites = true
	r.encoder = hpack.NewEncoder(&r.headers)
	r.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { r.fields[f.Name] = f.Value })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	return r, r.WriteSettings()
}

// Open opens a stream with a gRPC request for the method, and further headers, or other
// values, by name and value.
func (r *Raw) Open(stream uint32, method string, headers ...string) error {
	request := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "test"},
		{"content-type", "application/grpc"}, {"te", "trailers"}}
next:
	for i := 0; i+1 < len(headers); i += 2 {
		for j := range request {
			if request[j][0] == headers[i] {
				request[j][1] = headers[i+1]
				continue next
			}
		}
		request = append(request, [2]string{headers[i], headers[i+1]})
	}
	r.headers.Reset()
	for _, h := range request {
		if err := r.encoder.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			return err
		}
	}
	block, first := r.headers.Bytes(), true
	for first || len(block) > 0 {
		part := block[:min(len(block), 16<<10)]
		block = block[len(part):]
		var err error
		if first {
			err = r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: part,
				EndHeaders: len(block) == 0})
		} else {
			err = r.WriteContinuation(stream, len(block) == 0, part)
		}
		if err != nil {
			return err
		}
		first = false
	}
	return nil
}

// Collect opens a Collect stream.
func (r *Raw) Collect(stream uint32, headers ...string) error {
	return r.Open(stream, bulkheadv1.CollectorService_Collect_FullMethodName, headers...)
}

// Frame returns a message of gRPC with its prefix.
func Frame(compressed byte, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{compressed}, uint32(len(payload))), payload...)
}

// Send sends one frame of the protocol.
func (r *Raw) Send(stream uint32, f *bulkheadv1.ClientFrame) error {
	payload, err := proto.Marshal(f)
	if err != nil {
		return err
	}
	return r.WriteData(stream, false, Frame(0, payload))
}

// Recv returns the next frame of the protocol on a stream, or the status with which it
// ended as an error. SETTINGS and PING are answered.
func (r *Raw) Recv(stream uint32) (*bulkheadv1.ServerFrame, error) {
	var data []byte
	for {
		f, err := r.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = r.answers.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if f.IsAck() {
				r.Pings++
			} else {
				err = r.answers.WritePing(true, f.Data)
			}
		case *http2.GoAwayFrame:
			r.GoAway = &GoAway{f.ErrCode, string(f.DebugData())}
		case *http2.HeadersFrame:
			r.fields = make(map[string]string)
			_, err = r.decoder.Write(f.HeaderBlockFragment())
			if f.StreamID == stream && f.StreamEnded() {
				return nil, statusOf(r.fields)
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return nil, fmt.Errorf("RST_STREAM %s", f.ErrCode)
			}
		case *http2.DataFrame:
			if f.StreamID != stream {
				continue
			}
			if data = append(data, f.Data()...); len(data) < 5 || len(data) < 5+int(binary.BigEndian.Uint32(data[1:])) {
				continue
			}
			payload := data[5:]
			if data[0] == 1 {
				unzipped, err := gzip.NewReader(bytes.NewReader(payload))
				if err != nil {
					return nil, err
				}
				if payload, err = io.ReadAll(unzipped); err != nil {
					return nil, err
				}
			}
			frame := &bulkheadv1.ServerFrame{}
			return frame, proto.Unmarshal(payload, frame)
		}
		if err != nil {
			return nil, err
		}
	}
}

// statusOf returns the status in trailers.
func statusOf(fields map[string]string) error {
	n, err := strconv.Atoi(fields["grpc-status"])
	if err != nil {
		return fmt.Errorf("HTTP status %s without a gRPC status", fields[":status"])
	}
	if details, err := base64.RawStdEncoding.DecodeString(fields["grpc-status-details-bin"]); err == nil &&
		len(details) > 0 {
		p := &spb.Status{}
		if proto.Unmarshal(details, p) == nil {
			return status.FromProto(p).Err()
		}
	}
	if n == 0 {
		return fmt.Errorf("closed in order")
	}
	return status.Error(codes.Code(n), fields["grpc-message"])
}

// Greet opens a Collect stream, says Hello and returns the Welcome.
func (r *Raw) Greet(stream uint32, h *bulkheadv1.Hello) (*bulkheadv1.Welcome, error) {
	if err := r.Collect(stream); err != nil {
		return nil, err
	}
	if err := r.Send(stream, &bulkheadv1.ClientFrame{Frame: &bulkheadv1.ClientFrame_Hello{Hello: h}}); err != nil {
		return nil, err
	}
	f, err := r.Recv(stream)
	if err == nil && f.GetWelcome() == nil {
		err = fmt.Errorf("got %v; want a Welcome", f)
	}
	return f.GetWelcome(), err
}

// End reads until the stream ends and returns how.
func (r *Raw) End(stream uint32) error {
	for {
		if _, err := r.Recv(stream); err != nil {
			return err
		}
	}
}
