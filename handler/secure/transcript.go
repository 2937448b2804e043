package secure

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What is on the wire (RFC 8446, sections 4 and 5.1).
const (
	recordHeader    = 5
	recordHandshake = 22
	recordData      = 23 // encrypted, with the type of what it holds at its end
	messageHeader   = 4
	messageHash     = 254 // stands for the first ClientHello after a HelloRetryRequest
	finished        = 20
	certVerify      = 15
)

var errTranscript = errors.New("the handshake is not in the form that it has")

// secrets keeps what package tls logs: the keys of the handshake's messages.
type secrets struct{ client, server []byte }

// Write takes one line of a key log: a label, the client's random and a secret.
func (s *secrets) Write(line []byte) (int, error) {
	fields := strings.Fields(string(line))
	if len(fields) == 3 {
		secret, err := hex.DecodeString(fields[2])
		switch {
		case err != nil:
			return 0, err
		case fields[0] == "CLIENT_HANDSHAKE_TRAFFIC_SECRET":
			s.client = secret
		case fields[0] == "SERVER_HANDSHAKE_TRAFFIC_SECRET":
			s.server = secret
		}
	}
	return len(line), nil
}

// prove returns the messages of a handshake, of which in and out are what passed on the wire.
func prove(in, out []byte, suite uint16, keys *secrets) (*bulkheadv1.Proof, error) {
	newHash := sha256.New
	if suite == tls.TLS_AES_256_GCM_SHA384 {
		newHash = sha512.New384
	}
	clear1, sealed1, err := split(in)
	if err != nil {
		return nil, err
	}
	clear2, sealed2, err := split(out)
	if err != nil {
		return nil, err
	}
	fromClient, err := open(sealed1, suite, newHash, keys.client, certVerify)
	if err != nil {
		return nil, err
	}
	fromServer, err := open(sealed2, suite, newHash, keys.server, finished)
	if err != nil {
		return nil, err
	}
	all, err := hellos(clear1, clear2, newHash)
	if err != nil {
		return nil, err
	}
	all = append(append(all, fromServer...), fromClient...)
	return &bulkheadv1.Proof{Messages: all, HashBits: uint32(newHash().Size()) * 8}, nil
}

// hellos joins what passed in the clear, in its order.
func hellos(client, server []byte, newHash func() hash.Hash) ([]byte, error) {
	c, s := messages(client), messages(server)
	switch {
	case len(c) == 1 && len(s) == 1:
		return bytes.Join([][]byte{c[0], s[0]}, nil), nil
	case len(c) == 2 && len(s) == 2: // after a HelloRetryRequest
		h := newHash()
		h.Write(c[0])
		first := append([]byte{messageHash, 0, 0, byte(h.Size())}, h.Sum(nil)...)
		return bytes.Join([][]byte{first, s[0], c[1], s[1]}, nil), nil
	default:
		return nil, fmt.Errorf("%w: %d messages of the client and %d to it are in the clear", errTranscript, len(c),
			len(s))
	}
}

// messages splits what is made of whole handshake messages; what is cut off at the end is left out.
func messages(data []byte) [][]byte {
	var list [][]byte
	for len(data) >= messageHeader {
		size := messageHeader + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
		if size > len(data) {
			break
		}
		list = append(list, data[:size])
		data = data[size:]
	}
	return list
}

// split returns the handshake messages in the clear of one direction, and the records that follow
// encrypted, up to one that was not recorded whole.
func split(wire []byte) (clear []byte, sealed [][]byte, err error) {
	for len(wire) >= recordHeader {
		size := recordHeader + int(binary.BigEndian.Uint16(wire[3:]))
		if size > len(wire) {
			break
		}
		switch kind := wire[0]; {
		case kind == recordData:
			sealed = append(sealed, wire[:size])
		case kind == recordHandshake && len(sealed) > 0:
			return nil, nil, fmt.Errorf("%w: a message in the clear follows one that is not", errTranscript)
		case kind == recordHandshake:
			clear = append(clear, wire[recordHeader:size]...)
		}
		wire = wire[size:]
	}
	return clear, sealed, nil
}

// open decrypts records until it has the whole of a message of the type last, and returns all
// messages to that one.
func open(sealed [][]byte, suite uint16, newHash func() hash.Hash, secret []byte, last byte) ([]byte, error) {
	aead, iv, err := keysOf(suite, newHash, secret)
	if err != nil {
		return nil, err
	}
	var plain []byte
	for seq, record := range sealed {
		nonce := bytes.Clone(iv)
		tail := nonce[len(nonce)-8:]
		binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^uint64(seq))
		inner, err := aead.Open(nil, nonce, record[recordHeader:], record[:recordHeader])
		if err != nil {
			return nil, fmt.Errorf("%w: record %d cannot be opened", errTranscript, seq+1)
		}
		inner = bytes.TrimRight(inner, "\x00")
		if len(inner) == 0 || inner[len(inner)-1] != recordHandshake {
			return nil, fmt.Errorf("%w: record %d holds no handshake", errTranscript, seq+1)
		}
		plain = append(plain, inner[:len(inner)-1]...)
		size := 0
		for _, m := range messages(plain) {
			if size += len(m); m[0] == last {
				return plain[:size], nil
			}
		}
	}
	return nil, fmt.Errorf("%w: it was not recorded to its end", errTranscript)
}

// keysOf returns the key and the nonce that follow from a secret (RFC 8446, section 7.3).
func keysOf(suite uint16, newHash func() hash.Hash, secret []byte) (cipher.AEAD, []byte, error) {
	size := 16
	if suite != tls.TLS_AES_128_GCM_SHA256 {
		size = 32
	}
	key, err := expand(newHash, secret, "key", size)
	if err != nil {
		return nil, nil, err
	}
	iv, err := expand(newHash, secret, "iv", 12)
	if err != nil {
		return nil, nil, err
	}
	if suite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		aead, err := chacha20poly1305.New(key)
		return aead, iv, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, iv, err
}

// expand is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func expand(newHash func() hash.Hash, secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(size)), byte(len(label)))
	info = append(append(info, label...), 0)
	return hkdf.Expand(newHash, secret, string(info), size)
}
