package handler

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// requests keeps the first requests of a client as they came, to say what it asked for
// if it never opens a Collect stream: the HTTP/2 server answers what is not gRPC itself.
type requests struct {
	blocks [][]byte
	broken bool // a block is not whole: nothing behind it can be decoded
}

// keep keeps a HEADERS frame.
func (r *requests) keep(f frameHeader, payload []byte) {
	if r.broken || len(r.blocks) == maxRequests {
		return
	}
	block, whole := headerBlock(f, payload)
	if !whole {
		r.broken = true
		return
	}
	r.blocks = append(r.blocks, bytes.Clone(block))
}

// headerBlock returns the header block in the payload of a HEADERS frame (RFC 9113, section 6.2),
// if all of it is there.
func headerBlock(f frameHeader, payload []byte) ([]byte, bool) {
	if len(payload) < f.length || !f.flags.Has(http2.FlagHeadersEndHeaders) {
		return nil, false
	}
	padding := 0
	if f.flags.Has(http2.FlagHeadersPadded) {
		if len(payload) == 0 {
			return nil, false
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if f.flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < 5 {
			return nil, false
		}
		payload = payload[5:]
	}
	if padding > len(payload) {
		return nil, false
	}
	return payload[:len(payload)-padding], true
}

// last returns the last request that was kept, decoded; nil if there is none.
func (r *requests) last() map[string]string {
	var last map[string]string
	decoder := hpack.NewDecoder(4096, nil)
	for _, block := range r.blocks {
		fields, err := decoder.DecodeFull(block)
		if err != nil {
			return nil
		}
		last = make(map[string]string)
		for _, f := range fields {
			last[f.Name] = f.Value
		}
	}
	return last
}

// unknownEncoding returns the compression of the last request, if it is not known here; ""
// otherwise.
func (c *clientConn) unknownEncoding() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil {
		return ""
	}
	switch encoding := c.heard.requests.last()["grpc-encoding"]; encoding {
	case "", "identity", "gzip":
		return ""
	default:
		return encoding
	}
}

// request returns what a client asked for that opened no Collect stream; "" if that is not known.
func (c *clientConn) request() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil {
		return ""
	}
	if r := c.heard.resetByUs; r != nil && r.code == http2.ErrCodeFrameSize {
		return longHeaders()
	}
	h := c.heard.requests.last()
	contentType, encoding := h["content-type"], h["grpc-encoding"]
	switch {
	case h == nil:
		return ""
	case h[":method"] != "POST":
		return fmt.Sprintf("it sent %.16q of %.128q over HTTP/2, which is not gRPC", h[":method"], h[":path"])
	case !strings.HasPrefix(contentType, "application/grpc"):
		return fmt.Sprintf("its request has the content-type %.64q, which is not gRPC's", contentType)
	case encoding != "" && encoding != "gzip" && encoding != "identity":
		return fmt.Sprintf("it compresses with %.32q, which is not known here; gzip is", encoding)
	case h[":path"] != bulkheadv1.CollectorService_Collect_FullMethodName:
		return fmt.Sprintf("it called %.128q", h[":path"])
	default:
		return "its call of Collect was refused for its form"
	}
}
