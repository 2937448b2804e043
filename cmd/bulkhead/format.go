package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/pathname"
	"bulkhead/internal/spelling"
	"bulkhead/internal/wholefile"
	"bulkhead/supervisor/report/render"
)

// oneOf returns "a, b or c".
func oneOf[T ~string](names []T) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}

// endingsOf returns the usual endings of forms, as in ".json".
func endingsOf(forms []render.Form) []string {
	endings := make([]string, len(forms))
	for i, f := range forms {
		endings[i] = f.Ending()
	}
	return endings
}

// formOf returns the form that a command is to write: what --format says, or else what the
// name of --output ends with, or else text.
func formOf(ctx *cli.Context, forms []render.Form) (render.Form, error) {
	path := ctx.String("output")
	if path == "" && ctx.IsSet("output") {
		return "", usageError{errors.New("--output: is empty; give the name of a file, or - for standard output")}
	}
	if !ctx.IsSet("format") {
		return formOfFile(path, forms)
	}
	format := ctx.String("format")
	if slices.Contains(forms, render.Form(format)) {
		return render.Form(format), nil
	}
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = string(f)
	}
	meant := spelling.Nearest(format, names)
	if i := slices.IndexFunc(forms, func(f render.Form) bool { return f.EndsWith(format) }); i >= 0 {
		meant = names[i]
	}
	if meant != "" {
		meant = "did you mean " + meant + "? "
	}
	return "", usageError{fmt.Errorf("--format: %q is not valid; %suse %s", format, meant, oneOf(forms))}
}

// formOfFile returns the form that a file's name says. Standard output and what is no regular
// file, such as a pipe, take text.
func formOfFile(path string, forms []render.Form) (render.Form, error) {
	if path == "" || path == "-" {
		return render.FormText, nil
	}
	ending := filepath.Ext(path)
	if i := slices.IndexFunc(forms, func(f render.Form) bool { return f.EndsWith(ending) }); i >= 0 {
		return forms[i], nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return render.FormText, nil
	}
	return "", usageError{fmt.Errorf("--output: the name %s says no format; let it end with %s, or give --format",
		pathname.Printable(path), oneOf(endingsOf(forms)))}
}

// output calls write with a file, or with stdout if path is "" or "-".
func output(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		return write(stdout)
	}
	return wholefile.Write(path, write)
}
