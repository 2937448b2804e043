package layers

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheMakefileChoosesTestsThatExist checks that every name by which the Makefile chooses tests of
// the isolation suite is the beginning of one's name: one that was renamed would no more be run.
func TestTheMakefileChoosesTestsThatExist(t *testing.T) {
	suite, err := filepath.Glob(filepath.Join(root, "internal", "testing", "isolation", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, name := range suite {
		tests.WriteString("\n" + read(t, name))
	}
	makefile := read(t, filepath.Join(root, "Makefile"))
	choices := regexp.MustCompile(`(?m)^([A-Z_]+) *:?= *\^Test\(([A-Za-z|]+)\)$`).FindAllStringSubmatch(makefile, -1)
	if len(choices) != 2 {
		t.Errorf("the Makefile has %d choices of tests; want UNKNOWN_KILLS and RACED", len(choices))
	}
	for _, choice := range choices {
		for beginning := range strings.SplitSeq(choice[2], "|") {
			if !strings.Contains(tests.String(), "\nfunc Test"+beginning) {
				t.Errorf("%s of the Makefile chooses Test%s…; no test of the isolation suite is called so", choice[1],
					beginning)
			}
		}
	}
}
