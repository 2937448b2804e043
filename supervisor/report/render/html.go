package render

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"text/template"

	"bulkhead/supervisor/report"
)

// assets is the pages' own files, and the chart library whole as it was released.
//
//go:embed page/page.html page/compare.html page/page.css page/script/*.js page/compare/*.js page/vendor/*
var assets embed.FS

// The module that a page's program begins with; it imports the rest.
const (
	reportEntry = "script/page.js"
	// CompareEntry is that of the page of a comparison.
	CompareEntry = "compare/page.js"
)

// document is what a page is filled with. Text that came from outside is in Title,
// escaped as HTML, and in Report, which holds no "<"; everything else is the page's own.
type document struct {
	Policy, Title, Style, Library, Program, Report string
}

// HTML writes the report as one page that needs nothing else: style, program, chart
// library and data are in it, and its content security policy forbids every request.
// What it shows of very long lists is thinned, and says so; see html_bounds.go. An error
// is w's.
func HTML(r *report.Report, w io.Writer) error {
	return WritePage(w, "page.html", reportEntry, "Bulkhead report "+r.Run.ID, bounded(r))
}

// WritePage writes a page that needs nothing else, with the data its program draws. Entry is
// the module that its program begins with.
func WritePage(w io.Writer, layout, entry, title string, data any) error {
	// Encoded for HTML: "<", ">", "&" and the line separators of JavaScript are escaped,
	// so that no text can end the script element that holds it.
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	page, err := newDocument(entry)
	if err != nil {
		return err
	}
	page.Title = html.EscapeString(title)
	page.Report = string(encoded)
	text, err := assets.ReadFile("page/" + layout)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	form, err := template.New(layout).Parse(string(text))
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	var b bytes.Buffer
	if err := form.Execute(&b, page); err != nil {
		return fmt.Errorf("filling the page: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// newDocument joins a page's files.
func newDocument(entry string) (*document, error) {
	program, err := bundle(assets, entry)
	if err != nil {
		return nil, err
	}
	var missing error
	read := func(name string) string {
		data, err := assets.ReadFile("page/" + name)
		if err != nil && missing == nil {
			missing = fmt.Errorf("reading the page's %s: %w", name, err)
		}
		return strings.TrimSpace(string(data))
	}
	page := &document{
		Style:   read("vendor/uPlot.min.css") + "\n" + read("page.css") + "\n",
		Library: "/*\n" + read("vendor/uPlot-LICENSE") + "\n*/\n" + read("vendor/uPlot.iife.min.js") + "\n",
		Program: program,
	}
	page.Policy = fmt.Sprintf(
		"default-src 'none'; script-src %s %s; style-src %s; img-src data:; base-uri 'none'; form-action 'none'",
		source(page.Library), source(page.Program), source(page.Style))
	return page, missing
}

// source names an inline script or style in a content security policy, by its hash
// (https://www.w3.org/TR/CSP3/#grammardef-hash-source).
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
