// Package tokens has the tokens of clients: each client has a secret of its own, and the supervisor
// a file of their names and hashes. A line of the file is
//
//	NAME sha256:HASH
//
// with the hash in hexadecimal. Empty lines, and lines that begin with "#", say nothing.
package tokens

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"bulkhead/internal/protocol"
)

const (
	// prefix tells a token from other words, for those who find one.
	prefix = "bulkhead-"
	// secretBytes is how much of a token is random. So much needs no slow hash.
	secretBytes = 32
	hashPrefix  = "sha256:"
	// maxTokens bounds the tokens of a file.
	maxTokens = 100_000
	// MaxFileBytes is as much as a file with so many of them has at most, and some comments.
	MaxFileBytes = maxTokens * 256
)

// Token is a new secret of a client.
type Token struct{ name, secret string }

// New makes a token for a client.
func New(name string) (Token, error) {
	if err := checkName(name); err != nil {
		return Token{}, err
	}
	random := make([]byte, secretBytes)
	rand.Read(random) // never fails
	return Token{name, prefix + base64.RawURLEncoding.EncodeToString(random)}, nil
}

// Secret is what the client presents.
func (t Token) Secret() string { return t.secret }

// Line is what the supervisor's file has of the token.
func (t Token) Line() string {
	sum := sha256.Sum256([]byte(t.secret))
	return t.name + " " + hashPrefix + hex.EncodeToString(sum[:])
}

// Set are the tokens of a file. The zero value has none.
type Set struct {
	names  map[[sha256.Size]byte]string
	byName map[string]bool
}

// Parse reads a file's tokens. A name may have several, so that a client can change its own.
func Parse(text []byte) (Set, error) {
	s := Set{names: make(map[[sha256.Size]byte]string), byName: make(map[string]bool)}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		i := strings.LastIndexAny(line, " \t")
		name, hash := strings.TrimSpace(line[:max(i, 0)]), line[i+1:]
		sum, err := hashOf(hash)
		if err == nil {
			err = checkName(name)
		}
		if err == nil && len(s.names) == maxTokens {
			err = fmt.Errorf("there are more than %d tokens", maxTokens)
		}
		if err != nil {
			return Set{}, fmt.Errorf("line %d: %w", n, err)
		}
		if other, taken := s.names[sum]; taken && other != name {
			return Set{}, fmt.Errorf("line %d: %q has the token of %q", n, name, other)
		}
		s.names[sum], s.byName[name] = name, true
	}
	if err := lines.Err(); err != nil {
		return Set{}, err
	}
	return s, nil
}

// hashOf reads a hash. The error does not repeat it: it may be a token, put there by mistake.
func hashOf(text string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(text, hashPrefix)
	got, err := hex.DecodeString(digits)
	if !ok || err != nil || len(got) != len(sum) {
		return sum, fmt.Errorf("want a name and %s with %d hexadecimal digits, as `bulkhead token new NAME` prints "+
			"them", hashPrefix, 2*len(sum))
	}
	return [sha256.Size]byte(got), nil
}

// checkName returns what is wrong with the name of a token.
func checkName(name string) error {
	if err := protocol.CheckName(name); err != nil {
		return err
	}
	if name[0] == '#' {
		return fmt.Errorf("the name %q begins with %q, as a comment does", name, "#")
	}
	return nil
}

// Name returns whose a secret is; "" if nobody's. What it takes says nothing of the secrets of
// others: it looks for a hash.
func (s Set) Name(secret string) string {
	if secret == "" || len(s.names) == 0 {
		return ""
	}
	return s.names[sha256.Sum256([]byte(secret))]
}

// Has reports whether a client of this name has a token.
func (s Set) Has(name string) bool { return s.byName[name] }

// Len is how many tokens there are.
func (s Set) Len() int { return len(s.names) }
