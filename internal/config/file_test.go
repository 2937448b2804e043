package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead/internal/config/value"
)

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	large := write(t, strings.Repeat("# large\n", MaxFile/8)+"#")
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"):    "there is no such file; give the path of a YAML file",
		dir:                                "cannot be read: it is a folder; give the path of a YAML file",
		large:                              "is larger than 1MiB; give a configuration file",
		filepath.Join(large, "below"):      "cannot be read: not a directory",
		"/dev/zero":                        "cannot be read: it is a character device; give the path of a YAML file",
		filepath.Join(dir, "nul\x00.yaml"): "cannot be read: invalid argument",
	} {
		_, err := LoadSupervisor(path, nil, nil)
		name := path
		if strings.Contains(path, "\x00") {
			name = value.Quote(path)
		}
		if err == nil || err.Error() != name+": "+want {
			t.Errorf("error = %v\n want %s: %s", err, name, want)
		}
	}
	largest := write(t, strings.Repeat("# large\n", MaxFile/8))
	if _, err := LoadSupervisor(largest, nil, nil); err != nil {
		t.Errorf("a file of %d bytes: %v", MaxFile, err)
	}
}

// TestUnreadableFileIsNotTheOnlyProblem still wants what is wrong elsewhere, but
// nothing about relations to values that the file may have meant to give.
func TestUnreadableFileIsNotTheOnlyProblem(t *testing.T) {
	file := write(t, "runtime: [")
	flags := []Override{{"keep", "1", "--keep"}, {"chunk_size", "1GiB", "--chunk-size"}}
	_, err := LoadClient(file, nil, flags)
	want := `config.yaml:1: is not valid YAML: did not find expected node content
--keep: keep: "1" is neither true nor false; use true`
	if diff := cmp.Diff(want, refusal(t, file, err)); diff != "" {
		t.Error(diff)
	}
}

func TestSyntax(t *testing.T) {
	const (
		indentation = "is not valid YAML: a wrong indentation, or text behind a complete value; indent keys alike, " +
			"and quote values with special characters"
		secondColon = `is not valid YAML: a second ": " on the line, or a wrong indentation; quote the value, or indent keys alike`
		tab         = "is not valid YAML: a tab in the indentation; use spaces"
		noColon     = `is not valid YAML: a key without a value; write "key: value"`
	)
	for _, row := range []refused{
		{"tab", "log:\n\tlevel: info", "2: " + tab},
		{"tab before a list", "consumers:\n\t- {}", "2: " + tab},
		{"tab on an empty line", "keep: true\n\t\nname: a", "2: " + tab},
		{"outdented too little", "log:\n  level: info\n format: text", "3: " + indentation},
		{"indented too far", "keep: true\n  name: a", "2: " + secondColon},
		{"two colons", "\nname: a: b", "2: " + secondColon},
		{"text behind a quote", "log:\n  level: \"info\" now\n  format: text", "2: " + indentation},
		{"list inside a map", "keep: true\n- a", "2: " + indentation},
		{"no colon", "keep: true\nname\nruntime: 1s", "2: " + noColon},
		{"open list", "keep: true\nconsumers: [{},\n  {}\nname: a\n",
			"2: is not valid YAML: a list is not closed; add \"]\""},
		{"open map", "keep: true\nlabels: {a: b\nname: a\n", "2: is not valid YAML: a map is not closed; add \"}\""},
		{"open quote", "keep: true\nname: \"a\nruntime: 1s\n\n",
			"2: is not valid YAML: a quoted text is not closed; add the closing quote"},
		{"open quote after a long list", "consumers: [\n  {},\n]\nname: 'a\nruntime: 1s\n",
			"4: is not valid YAML: a quoted text is not closed; add the closing quote"},
		{"reserved character", "name: @a",
			"1: is not valid YAML: a value cannot begin with this character; quote the value"},
		{"unknown alias", "keep: true\nname: *a", "2: is not valid YAML: unknown anchor 'a' referenced"},
		{"second document", "keep: true\n---\nkeep: false", "2: a second YAML document begins here; keep one"},
		{"text behind the document", "keep: true\n...\nkeep: false", "3: " + indentation},
		{"too deep", strings.Repeat("[", 20_000), "1: is not valid YAML: exceeded max depth of 10000"},
		{"not UTF-8", "keep: true\nname: \xe4", "2: is not UTF-8 text; save the file as UTF-8"},
		{"UTF-16", "\xff\xfek\x00", "1: is not UTF-8 text; save the file as UTF-8"},
		{"zero byte", "keep: true\n\x00", "2: holds the control character U+0000; remove it"},
		{"line separator", "keep: true\n# a\u2028b", "2: holds the control character U+2028; remove it"},
		{"windows lines", "keep: true\r\nruntime: 3\r\n", `2: runtime: "3" has no unit; use 3s`},
		{"byte order mark", "\ufeffkeep: true\nruntime: 3", `2: runtime: "3" has no unit; use 3s`},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := write(t, row.yaml)
			_, err := LoadClient(file, nil, nil)
			if diff := cmp.Diff("config.yaml:"+row.want, refusal(t, file, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLargeBrokenFile makes an error that is too costly to locate: it stands where the parser gave
// up, not where the list begins.
func TestLargeBrokenFile(t *testing.T) {
	file := write(t, "keep: true\nconsumers: [\n"+strings.Repeat("  {},\n", 100_000))
	_, err := LoadClient(file, nil, nil)
	want := "config.yaml:100002: is not valid YAML: did not find expected node content"
	if got := refusal(t, file, err); got != want {
		t.Errorf("error = %s\n want %s", got, want)
	}
}

// TestAliasBomb would have 10^9 values if aliases were followed.
func TestAliasBomb(t *testing.T) {
	text := "labels: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		a, b := string(rune('0'+i)), string(rune('1'+i))
		text += "key" + b + ": &a" + b + " [*a" + a + strings.Repeat(", *a"+a, 9) + "]\n"
	}
	file := write(t, text+"consumers: *a9\n")
	_, err := LoadClient(file, nil, nil)
	got := refusal(t, file, err)
	if !strings.HasSuffix(got, "config.yaml:11: consumers: is a YAML alias; write the value itself") {
		t.Errorf("error = %s", got)
	}
}

func TestUnreadablePermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every file")
	}
	file := write(t, "keep: true")
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	_, err := LoadClient(file, nil, nil)
	if got, want := refusal(t, file, err), "config.yaml: cannot be read: permission denied"; got != want {
		t.Errorf("error = %s; want %s", got, want)
	}
}
