package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/pathname"
	"bulkhead/internal/spelling"
)

// endings are the endings of file names that say a format, without their dot; the first of
// each is the usual one.
func endings() map[string][]string {
	return map[string][]string{
		"text": {"txt", "text"}, "json": {"json"}, "html": {"html", "htm"}, "csv": {"csv"}, "markdown": {"md", "markdown"}, "junit": {"xml"},
	}
}

// endingsOf are the usual endings of formats, as in ".json".
func endingsOf(formats []string) []string {
	out := make([]string, 0, len(formats))
	for _, f := range formats {
		out = append(out, "."+endings()[f][0])
	}
	return out
}

// formatOf is the format that a command is to write: what --format says, or else what the
// name of --output ends with, or else text.
func formatOf(ctx *cli.Context, formats []string) (string, error) {
	path := ctx.String("output")
	if path == "" && ctx.IsSet("output") {
		return "", usageError{errors.New("--output: is empty; give the name of a file, or - for standard output")}
	}
	if !ctx.IsSet("format") {
		return formatOfFile(path, formats)
	}
	format := ctx.String("format")
	if slices.Contains(formats, format) {
		return format, nil
	}
	meant := spelling.Nearest(format, formats)
	for _, f := range formats {
		if slices.Contains(endings()[f], strings.ToLower(strings.TrimPrefix(format, "."))) {
			meant = f
		}
	}
	if meant != "" {
		meant = "did you mean " + meant + "? "
	}
	return "", usageError{fmt.Errorf("--format: %q is not valid; %suse %s", format, meant, oneOf(formats))}
}

// formatOfFile is the format that a file's name says. Standard output and what is no regular
// file, such as a pipe, take text.
func formatOfFile(path string, formats []string) (string, error) {
	if path == "" || path == "-" {
		return "text", nil
	}
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
	for _, f := range formats {
		if ending != "" && slices.Contains(endings()[f], ending) {
			return f, nil
		}
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return "text", nil
	}
	return "", usageError{fmt.Errorf("--output: the name %s says no format; let it end with %s, or give --format",
		pathname.Printable(path), oneOf(endingsOf(formats)))}
}
