package supervisor_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// What the supervisor signs for an honest handler, before the hash.
var signedHead = append(append(bytes.Repeat([]byte{' '}, 64), "TLS 1.3, server CertificateVerify"...), 0)

// recordedWay begins the ways to lie that use another client's handshake; the file that it was recorded
// in follows.
const recordedWay = "handshake in "

// tlsWays returns the ways to lie of a handler whose client speaks TLS. Each lies once its client has
// sent a byte, so that the test says when.
func tlsWays() map[string]func(mouth) error {
	hash := make([]byte, sha256.Size)
	return map[string]func(mouth) error{
		"signs twice": func(m mouth) error {
			return errors.Join(m.sign(signedHead, hash), m.signed(), m.sign(signedHead, hash))
		},
		"signs another twice": func(m mouth) error {
			return errors.Join(m.sign(signedHead, hash), m.sign(signedHead, bytes.Repeat([]byte{1}, sha256.Size)))
		},
		"signs a hash": func(m mouth) error { return m.sign(nil, hash) },
		"signs as a client": func(m mouth) error {
			return m.sign(bytes.Replace(signedHead, []byte("server"), []byte("client"), 1), hash)
		},
		"signs more": func(m mouth) error { return m.sign(signedHead, append(hash, "and a contract"...)) },
		"shows nothing that was signed": func(m mouth) error {
			return m.show(&bulkheadv1.Proof{Messages: []byte{1, 0, 0, 0}, HashBits: 256})
		},
		"shows nothing": func(m mouth) error {
			return errors.Join(m.sign(signedHead, hash), m.signed(), m.show(&bulkheadv1.Proof{HashBits: 256}))
		},
		"is nobody": mouth.hello,
	}
}

// recordedWays returns the ways to lie with the handshake of another client, as it was recorded.
func recordedWays(proof *bulkheadv1.Proof, random []byte) map[string]func(mouth) error {
	toServer := func(messages []byte) []byte { // up to the server's Certificate
		end := 0
		for of := byte(0); of != 11; {
			of = messages[end]
			end += 4 + int(messages[end+1])<<16 + int(messages[end+2])<<8 + int(messages[end+3])
		}
		sum := sha256.Sum256(messages[:end])
		return sum[:]
	}
	forged := bytes.Clone(proof.GetMessages())
	hello := 4 + int(forged[1])<<16 + int(forged[2])<<8 + int(forged[3])
	copy(forged[hello+4+2:], random) // ServerHello.random
	return map[string]func(mouth) error{
		"shows one of another": func(m mouth) error {
			return errors.Join(m.sign(signedHead, toServer(proof.GetMessages())), m.signed(), m.show(proof))
		},
		"shows one as its own": func(m mouth) error {
			return errors.Join(m.sign(signedHead, toServer(forged)), m.signed(),
				m.show(&bulkheadv1.Proof{Messages: forged, HashBits: 256}))
		},
	}
}

// sign asks for a signature of what has a head and a hash.
func (m mouth) sign(head, hash []byte) error {
	return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Sign{
		Sign: &bulkheadv1.Sign{Content: append(bytes.Clone(head), hash...)}}})
}

// signed waits for a signature.
func (m mouth) signed() error {
	for {
		if f, err := m.Recv(); err != nil || f.GetSignature() != nil {
			return err
		}
	}
}

func (m mouth) show(p *bulkheadv1.Proof) error {
	return m.Send(&bulkheadv1.HandlerFrame{Frame: &bulkheadv1.HandlerFrame_Proof{Proof: p}})
}

// lieWithTLS lies in one way, if it is one of those of a handler whose client speaks TLS.
func (m mouth) lieWithTLS(way string, client net.Conn) (known bool, err error) {
	name, file, recorded := strings.Cut(way, " "+recordedWay)
	lie := tlsWays()[name]
	if lie == nil && !recorded {
		return false, nil
	}
	var secure *bulkheadv1.Secure
	for secure == nil {
		f, err := m.Recv()
		if err != nil {
			return true, err
		}
		secure = f.GetSecure()
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		return true, err
	}
	if recorded {
		proof := &bulkheadv1.Proof{HashBits: 256}
		if proof.Messages, err = os.ReadFile(file); err != nil {
			return true, err
		}
		lie = recordedWays(proof, secure.GetRandom())[name]
	}
	return true, lie(m)
}
