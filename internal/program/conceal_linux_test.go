package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// concealed is the variable of the process that TestConceal starts.
const concealed = "BULKHEAD_TEST_CONCEALED"

func TestMain(m *testing.M) {
	if os.Getenv(concealed) == "" {
		os.Exit(m.Run())
	}
	err := Conceal(concealed)
	seen, readErr := os.ReadFile("/proc/self/environ")
	fmt.Printf("%v %v\n%s\n%s\n", err, readErr, os.Getenv(concealed), seen)
	os.Exit(0)
}

// TestConceal takes a variable out of a process's environment, which has it still, and leaves the
// others and those of like names.
func TestConceal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const twin = "NOT_" + concealed + "=is public"
	cmd := exec.Command(self)
	cmd.Env = []string{"FIRST=1", twin, concealed + "=open sesame", "LAST=9"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitN(out, []byte("\n"), 3)
	if string(lines[0]) != "<nil> <nil>" || string(lines[1]) != "open sesame" {
		t.Fatalf("it says %q", out)
	}
	var left []string
	for _, entry := range bytes.Split(bytes.TrimSpace(lines[2]), []byte{0}) {
		if len(entry) > 0 {
			left = append(left, string(entry))
		}
	}
	if want := []string{"FIRST=1", twin, concealed + "=", "LAST=9"}; !slices.Equal(left, want) {
		t.Errorf("others see %q; want %q", left, want)
	}
	if err := Conceal("BULKHEAD_TEST_NOT_SET"); err != nil {
		t.Error(err)
	}
}
