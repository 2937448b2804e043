package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
)

// What is signed in a handshake (RFC 8446, section 4.4.3): so many spaces, a context, a zero, a hash.
const (
	spaces        = 64
	serverContext = "TLS 1.3, server CertificateVerify"
	clientContext = "TLS 1.3, client CertificateVerify"
)

// content returns what is signed of a handshake with a hash.
func content(context string, sum []byte) []byte {
	out := bytes.Repeat([]byte{' '}, spaces)
	out = append(append(out, context...), 0)
	return append(out, sum...)
}

// Types of handshake messages (RFC 8446, section 4).
const (
	clientHello         = 1
	serverHello         = 2
	encryptedExtensions = 8
	certificate         = 11
	certificateRequest  = 13
	certificateVerify   = 15
	finished            = 20
	messageHash         = 254
	messageHeader       = 4
)

// How a handshake goes in which the client shows a certificate, with and without a
// HelloRetryRequest, behind which the first ClientHello is a hash.
var (
	straight = []byte{clientHello, serverHello}
	retried  = []byte{messageHash, serverHello, clientHello, serverHello}
	rest     = []byte{encryptedExtensions, certificateRequest, certificate, certificateVerify, finished,
		certificate, certificateVerify}
)

// maxTranscript bounds the handshake that is looked at.
const maxTranscript = 128 << 10

// transcript is a handshake that was taken apart.
type transcript struct {
	random []byte // of the ServerHello
	// toServer are its messages up to the server's Certificate, and toClient those up to the
	// client's: what each of them signed.
	toServer, toClient []byte
	chain              [][]byte // the client's certificates, in DER
	scheme             uint16
	signature          []byte
}

var errForm = errors.New("it has not the form of a TLS 1.3 handshake")

// takeApart takes a handshake apart. It parses no certificate.
func takeApart(data []byte) (*transcript, error) {
	if len(data) > maxTranscript {
		return nil, fmt.Errorf("%w: it has %d bytes", errForm, len(data))
	}
	t := &transcript{}
	order := append(bytes.Clone(straight), rest...)
	if len(data) > 0 && data[0] == messageHash {
		order = append(bytes.Clone(retried), rest...)
	}
	at := 0
	for i, want := range order {
		if len(data)-at < messageHeader || data[at] != want {
			return nil, fmt.Errorf("%w: message %d is not of type %d", errForm, i+1, want)
		}
		size := int(data[at+1])<<16 | int(data[at+2])<<8 | int(data[at+3])
		body := data[at+messageHeader:]
		if size > len(body) {
			return nil, fmt.Errorf("%w: message %d is cut off", errForm, i+1)
		}
		body = body[:size]
		at += messageHeader + size
		last := i >= len(order)-2
		switch {
		case want == serverHello: // the last one counts
			if len(body) < 2+randomBytes {
				return nil, fmt.Errorf("%w: its ServerHello is cut off", errForm)
			}
			t.random = body[2 : 2+randomBytes]
		case want == certificate && !last:
			t.toServer = data[:at]
		case want == certificate:
			t.toClient = data[:at]
			if err := t.readChain(body); err != nil {
				return nil, err
			}
		case want == certificateVerify && last:
			if len(body) < 4 || len(body)-4 != int(binary.BigEndian.Uint16(body[2:])) {
				return nil, fmt.Errorf("%w: the client's signature is cut off", errForm)
			}
			t.scheme, t.signature = binary.BigEndian.Uint16(body), body[4:]
		}
	}
	if at != len(data) {
		return nil, fmt.Errorf("%w: %d bytes follow it", errForm, len(data)-at)
	}
	return t, nil
}

// readChain reads a Certificate message (RFC 8446, section 4.4.2).
func (t *transcript) readChain(body []byte) error {
	if len(body) < 4 || body[0] != 0 {
		return fmt.Errorf("%w: the client's Certificate has a context", errForm)
	}
	list, after, ok := vector(body[1:], 3)
	if !ok || len(after) > 0 {
		return fmt.Errorf("%w: the client's Certificate is cut off", errForm)
	}
	for len(list) > 0 {
		var der []byte
		if der, list, ok = vector(list, 3); !ok || len(der) == 0 {
			return fmt.Errorf("%w: a certificate of the client is cut off", errForm)
		}
		if _, list, ok = vector(list, 2); !ok {
			return fmt.Errorf("%w: the extensions of a certificate are cut off", errForm)
		}
		t.chain = append(t.chain, der)
	}
	if len(t.chain) == 0 {
		return fmt.Errorf("%w: the client has shown no certificate", errForm)
	}
	return nil
}

// vector reads what has its length before it, in so many bytes.
func vector(data []byte, bytes int) (value, after []byte, ok bool) {
	if len(data) < bytes {
		return nil, nil, false
	}
	size := 0
	for _, b := range data[:bytes] {
		size = size<<8 | int(b)
	}
	data = data[bytes:]
	if size > len(data) {
		return nil, nil, false
	}
	return data[:size], data[size:], true
}

var errSignature = errors.New("the client's signature is not that of its certificate")

// verify checks the client's signature with the key of its certificate (RFC 8446, section 4.2.3).
func (t *transcript) verify(leaf *x509.Certificate, h crypto.Hash) error {
	signed := content(clientContext, sum(h, t.toClient))
	ok := false
	switch key := leaf.PublicKey.(type) {
	case ed25519.PublicKey:
		ok = t.scheme == 0x0807 && ed25519.Verify(key, signed, t.signature)
	case *ecdsa.PublicKey:
		// Each curve has its scheme.
		by := map[uint16]struct {
			bits int
			hash crypto.Hash
		}{0x0403: {256, crypto.SHA256}, 0x0503: {384, crypto.SHA384}, 0x0603: {521, crypto.SHA512}}[t.scheme]
		ok = by.bits == key.Curve.Params().BitSize && ecdsa.VerifyASN1(key, sum(by.hash, signed), t.signature)
	case *rsa.PublicKey:
		by, known := map[uint16]crypto.Hash{0x0804: crypto.SHA256, 0x0805: crypto.SHA384,
			0x0806: crypto.SHA512}[t.scheme]
		ok = known && rsa.VerifyPSS(key, by, sum(by, signed), t.signature,
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	if !ok {
		return errSignature
	}
	return nil
}

func sum(h crypto.Hash, data []byte) []byte {
	hash := h.New()
	hash.Write(data)
	return hash.Sum(nil)
}
