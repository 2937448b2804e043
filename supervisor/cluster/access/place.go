package access

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// schemes are how an engine's addresses begin. With the second nobody talks without TLS.
var schemes = []string{"nats://", "tls://"}

// defaultPort is where an engine listens for clients.
const defaultPort = "4222"

// MaxNodes is how many nodes of an engine may be named.
const MaxNodes = 16

// Place is a run in an engine, or the engine.
type Place struct {
	// URLs are nodes of the engine, each with scheme and port.
	URLs []string
	// Run is "" for the engine.
	Run string
}

// IsPlace reports whether a text is meant as the address of an engine, or of a run in one.
func IsPlace(text string) bool {
	return slices.ContainsFunc(schemes, func(s string) bool { return strings.HasPrefix(text, s) })
}

// Parse reads the address of an engine or of a run in one, as in nats://a:4222,b:4222,c/RUN-ID.
func Parse(text string) (Place, error) {
	i := slices.IndexFunc(schemes, func(s string) bool { return strings.HasPrefix(text, s) })
	if i < 0 {
		return Place{}, fmt.Errorf("%q is not the address of an engine; use nats://HOST:PORT,…/RUN-ID", text)
	}
	nodes, run, _ := strings.Cut(strings.TrimPrefix(text, schemes[i]), "/")
	if strings.ContainsAny(run, "/?#") {
		return Place{}, fmt.Errorf("%q has more than the id of a run behind its nodes; use nats://HOST:PORT,…/RUN-ID",
			text)
	}
	p := Place{Run: run}
	for node := range strings.SplitSeq(nodes, ",") {
		u, err := nodeURL(schemes[i], node)
		if err != nil {
			return Place{}, err
		}
		if !slices.Contains(p.URLs, u) {
			p.URLs = append(p.URLs, u)
		}
	}
	if len(p.URLs) > MaxNodes {
		return Place{}, fmt.Errorf("%d nodes of an engine are named; at most %d are of use", len(p.URLs), MaxNodes)
	}
	return p, nil
}

// URL returns the address of a node, of which the scheme and the port may be left out. It refuses
// names and passwords in it.
func URL(node string) (string, error) {
	for _, scheme := range schemes {
		if rest, ok := strings.CutPrefix(node, scheme); ok {
			return nodeURL(scheme, rest)
		}
	}
	return nodeURL(schemes[0], node)
}

func nodeURL(scheme, node string) (string, error) {
	if strings.Contains(node, "@") {
		return "", errors.New("a node's address has no user and password, which others would see; use a file of " +
			"credentials or a certificate")
	}
	u, err := url.Parse(scheme + node)
	if err != nil || u.Hostname() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not the address of an engine's node; use HOST:PORT", node)
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return "", fmt.Errorf("%q is not the address of an engine's node: there is no port %s", node, port)
	}
	return scheme + net.JoinHostPort(host, port), nil
}

// String returns the place as Parse reads it.
func (p Place) String() string {
	var text strings.Builder
	for i, u := range p.URLs {
		if i > 0 {
			_, u, _ = strings.Cut(u, "://")
			u = "," + u
		}
		text.WriteString(u)
	}
	if p.Run != "" {
		text.WriteString("/" + p.Run)
	}
	return text.String()
}
