package calls

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// read reads frames until the connection ends, which it closes.
func (c *Conn) read() {
	defer close(c.done)
	framer := http2.NewFramer(io.Discard, newReader(c.conn))
	framer.SetReuseFrames()
	framer.SetMaxReadFrameSize(frameBytes)
	framer.MaxHeaderListSize = c.o.MaxHeaderBytes
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var err error
	for err == nil {
		var f http2.Frame
		f, err = framer.ReadFrame()
		if bad, ok := errors.AsType[http2.StreamError](err); ok {
			err = c.reset(bad.StreamID, bad.Code, status.Errorf(codes.Internal, "the server broke HTTP/2: %v", bad))
		} else if err == nil {
			err = c.take(f)
		}
		if err == nil {
			err = c.settle()
		}
	}
	c.conn.Close() // what was to be written fails, too
	c.end(status.Errorf(codes.Unavailable, "error reading from server: %v", err))
}

// take acts on a frame. An error ends the connection.
func (c *Conn) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		return c.takeData(f)
	case *http2.MetaHeadersFrame:
		return c.takeHeaders(f)
	case *http2.RSTStreamFrame:
		c.endCall(f.StreamID, status.Errorf(codeOf(f.ErrCode), "stream terminated by RST_STREAM with error code: %v",
			f.ErrCode))
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if err := c.takeSettings(f); err != nil {
			return err
		}
		return c.write(c.framer.WriteSettingsAck)
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return c.write(func() error { return c.framer.WritePing(true, f.Data) })
	case *http2.GoAwayFrame:
		c.goAway(f)
	case *http2.WindowUpdateFrame:
		return c.takeRoom(f)
	case *http2.PushPromiseFrame:
		return errors.New("the server pushes")
	}
	return nil
}

// takeData adds what has come to its call.
func (c *Conn) takeData(f *http2.DataFrame) error {
	size := int64(f.Length) // with its padding
	c.mu.Lock()
	s := c.calls[f.StreamID]
	if f.StreamID > c.last || f.StreamID%2 == 0 {
		c.mu.Unlock()
		return fmt.Errorf("the server sends data of stream %d, which is none", f.StreamID)
	}
	if !c.window.came(size) || s != nil && !s.window.came(size) {
		c.mu.Unlock()
		return errors.New("the server sends more than there is room for")
	}
	lost := size // what nobody will receive
	if s != nil {
		if len(f.Data()) > 0 {
			s.in.add(f.Data())
		}
		lost -= int64(len(f.Data()))
		s.changed.Broadcast()
	}
	var mine int64
	if s != nil {
		mine = s.window.received(lost)
	}
	all := c.window.received(lost)
	c.mu.Unlock()
	if f.StreamEnded() {
		c.endCall(f.StreamID, status.Error(codes.Internal, "server closed the stream without sending trailers"))
	}
	if mine == 0 && all == 0 {
		return nil
	}
	return c.write(func() error { return errors.Join(c.more(f.StreamID, mine), c.more(0, all)) })
}

// more tells the server that it may send so much more of a stream, or of all; nothing if it is none.
// c.writing is held.
func (c *Conn) more(stream uint32, n int64) error {
	if n == 0 {
		return nil
	}
	return c.framer.WriteWindowUpdate(stream, uint32(n))
}

// takeHeaders takes the headers or the trailers of an answer.
func (c *Conn) takeHeaders(f *http2.MetaHeadersFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.calls[f.StreamID]
	switch {
	case f.StreamID > c.last || f.StreamID%2 == 0:
		return fmt.Errorf("the server answers on stream %d, which is none", f.StreamID)
	case s == nil:
		return nil
	case f.Truncated:
		s.endLocked(status.Error(codes.Internal, "the server's headers are too large"))
	case f.StreamEnded():
		s.trailer = metadataOf(f)
		s.endLocked(outcomeOf(f))
	case s.header != nil:
		s.endLocked(status.Error(codes.Internal, "the server sends headers twice"))
	case f.PseudoValue("status") != "200":
		s.endLocked(status.Errorf(codes.Unknown, "unexpected HTTP status code received from server: %s",
			f.PseudoValue("status")))
	default:
		s.header = metadataOf(f)
		s.changed.Broadcast()
	}
	return nil
}

// endCall ends a call, if it is not over.
func (c *Conn) endCall(stream uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.calls[stream]; s != nil {
		s.endLocked(err)
	}
}

// reset ends a call and tells the server so.
func (c *Conn) reset(stream uint32, code http2.ErrCode, err error) error {
	c.endCall(stream, err)
	return c.write(func() error { return c.framer.WriteRSTStream(stream, code) })
}

// goAway takes note that the server takes no further calls, nor those behind the last one that it
// names.
func (c *Conn) goAway(f *http2.GoAwayFrame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := status.Errorf(codes.Unavailable, "the server goes away: %v", f.ErrCode)
	if c.over == nil {
		c.over = err
	}
	for id, s := range c.calls {
		if id > f.LastStreamID {
			s.endLocked(err)
		}
	}
}

// takeSettings takes what the server wants to be sent.
func (c *Conn) takeSettings(f *http2.SettingsFrame) error {
	size, has := f.Value(http2.SettingInitialWindowSize)
	if !has {
		return nil // the rest bounds what is not done here, or not more than it may
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more := int64(size) - c.initial
	c.initial = int64(size)
	for _, s := range c.calls {
		if s.room += more; s.room > largestWindow {
			return errors.New("the server's window is too large")
		}
		s.changed.Broadcast()
	}
	return nil
}

// takeRoom takes note that more may be sent.
func (c *Conn) takeRoom(f *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.StreamID != 0 {
		if s := c.calls[f.StreamID]; s != nil {
			if s.room += int64(f.Increment); s.room > largestWindow {
				return errors.New("the server's window is too large")
			}
			s.changed.Broadcast()
		}
		return nil
	}
	if c.room += int64(f.Increment); c.room > largestWindow {
		return errors.New("the server's window is too large")
	}
	for _, s := range c.calls {
		s.changed.Broadcast()
	}
	return nil
}

// metadataOf returns what of headers is the caller's.
func metadataOf(f *http2.MetaHeadersFrame) metadata.MD {
	md := metadata.MD{}
	for _, h := range f.RegularFields() {
		value := h.Value
		switch {
		case h.Name == "content-type", h.Name == "te", h.Name == "user-agent",
			strings.HasPrefix(h.Name, "grpc-"):
			continue
		case strings.HasSuffix(h.Name, "-bin"):
			decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
			if err != nil {
				continue
			}
			value = string(decoded)
		}
		md.Append(h.Name, value)
	}
	return md
}

// outcomeOf returns what trailers say: io.EOF if all is well.
func outcomeOf(f *http2.MetaHeadersFrame) error {
	var number, text, details string
	for _, h := range f.RegularFields() {
		switch h.Name {
		case "grpc-status":
			number = h.Value
		case "grpc-message":
			text = h.Value
		case "grpc-status-details-bin":
			details = h.Value
		}
	}
	code, err := strconv.ParseUint(number, 10, 32)
	switch {
	case err != nil:
		return status.Errorf(codes.Unknown, "the server's trailers have no status: %q", number)
	case code == 0:
		return io.EOF
	}
	if unescaped, err := url.PathUnescape(text); err == nil {
		text = unescaped
	}
	p := &spb.Status{}
	if data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "=")); err == nil && details != "" &&
		proto.Unmarshal(data, p) == nil && p.GetCode() == int32(code) {
		return status.ErrorProto(p)
	}
	return status.Error(codes.Code(code), text)
}

// codeOf returns the code of gRPC for one of HTTP/2, as gRPC has it.
func codeOf(code http2.ErrCode) codes.Code {
	switch code {
	case http2.ErrCodeRefusedStream:
		return codes.Unavailable
	case http2.ErrCodeCancel:
		return codes.Canceled
	case http2.ErrCodeEnhanceYourCalm, http2.ErrCodeFlowControl:
		return codes.ResourceExhausted
	case http2.ErrCodeInadequateSecurity:
		return codes.PermissionDenied
	default:
		return codes.Internal
	}
}
