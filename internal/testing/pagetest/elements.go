package pagetest

import (
	"bytes"
	"testing"

	"golang.org/x/net/html"
)

// Elements returns the elements of a page with a tag, as a parser of HTML sees them.
func Elements(t testing.TB, page []byte, tag string) []*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func Attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
