package spelling

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"chunk_size", "file_size", "path", "sync", "keep_files", "keep"}
	if got := Nearest("ax", []string{"ab", "ac"}); got != "ab" {
		t.Errorf("of two equally near names the first is meant, not %q", got)
	}
	for name, want := range map[string]string{
		"chunk_sze": "chunk_size", "chunksize": "chunk_size", "chunk-size": "chunk_size", "hcunk_size": "chunk_size",
		"file_sizes": "file_size", "pth": "path", "apth": "path", "kep": "keep", "keep_file": "keep_files",
		"Path": "path", "chunk.size": "chunk_size", "chu": "chunk_size", "ch": "", "consumer": "", "x": "", "": "",
		"synchronise": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("To(%q) = %q; want %q", name, got, want)
		}
	}
}
