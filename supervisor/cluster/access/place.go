package access

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

// Parse reads the address of an engine or of a run in one, as in nats://a:4222,b:4222,c/RUN-ID, with nodes as
// Nodes has them.
func Parse(text string) (Place, error) {
	if !IsPlace(text) {
		return Place{}, fmt.Errorf("%q is not the address of an engine; use nats://HOST:PORT,…/RUN-ID", text)
	}
	nodes := strings.Split(text, ",")
	scheme, last := cutScheme(nodes[len(nodes)-1])
	last, run, _ := strings.Cut(last, "/")
	if strings.ContainsAny(run, "/?#") {
		return Place{}, fmt.Errorf("%q has more than the id of a run behind its nodes; use nats://HOST:PORT,…/RUN-ID",
			text)
	}
	nodes[len(nodes)-1] = scheme + last
	urls, err := Nodes(nodes)
	return Place{URLs: urls, Run: run}, err
}

// Nodes returns the addresses of nodes, of which the scheme and the port may be left out: the scheme of one
// counts for those behind it, too, up to the next that has one. It refuses names and passwords in them.
func Nodes(list []string) (urls []string, err error) {
	scheme := schemes[0]
	for _, node := range list {
		own, rest := cutScheme(node)
		scheme = cmp.Or(own, scheme)
		u, err := nodeURL(scheme, rest)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	if len(urls) > MaxNodes {
		return nil, fmt.Errorf("%d nodes of an engine are named; at most %d are of use", len(urls), MaxNodes)
	}
	return urls, nil
}

// cutScheme returns the scheme of an address, "" if it has none, and the rest.
func cutScheme(address string) (scheme, rest string) {
	for _, scheme := range schemes {
		if rest, ok := strings.CutPrefix(address, scheme); ok {
			return scheme, rest
		}
	}
	return "", address
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
	if ip, err := netip.ParseAddr(host); strings.Contains(host, ":") && (err != nil || ip.Zone() != "") {
		return "", fmt.Errorf("%q is not the address of an engine's node; use [IPV6]:PORT", node)
	}
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
	before := ""
	for i, u := range p.URLs {
		scheme, rest := cutScheme(u)
		if i > 0 {
			text.WriteString(",")
		}
		if scheme != before {
			text.WriteString(scheme)
		}
		text.WriteString(rest)
		before = scheme
	}
	if p.Run != "" {
		text.WriteString("/" + p.Run)
	}
	return text.String()
}
