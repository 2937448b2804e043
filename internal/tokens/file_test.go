package tokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTokenFile reads the token of a file, and refuses what is none, or what others can read.
func TestTokenFile(t *testing.T) {
	most := strings.Repeat("t", 1024)
	for _, row := range []struct {
		text string
		mode os.FileMode
		want string
		why  string // in the error; "" for none
	}{
		{text: "secret\n", mode: 0o600, want: "secret"},
		{text: "secret\r\n", mode: 0o640, want: "secret"},
		{text: " two words ", mode: 0o400, want: " two words "},
		{text: most + "\r\n", mode: 0o600, want: most},
		{text: "secret\n", mode: 0o644, why: "chmod"},
		{text: "secret\n", mode: 0o620, why: "chmod"},
		{text: "", mode: 0o600, why: "there is no token in it"},
		{text: "\n\n", mode: 0o600, why: "there is no token in it"},
		{text: "secret\nsecond\n", mode: 0o600, why: "control"},
		{text: "secret\xff", mode: 0o600, why: "UTF-8"},
		{text: most + "t", mode: 0o600, why: "1025 bytes"},
		{text: most + most, mode: 0o600, why: "larger than"},
	} {
		path := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, row.mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		switch {
		case row.why == "" && err == nil && got == row.want:
		case row.why != "" && err != nil && strings.Contains(err.Error(), row.why) &&
			!strings.Contains(err.Error(), "secret") && got == "":
		default:
			t.Errorf("%.20q of mode %o: %.20q, %v; want %.20q, %q", row.text, row.mode, got, err, row.want, row.why)
		}
	}
}
