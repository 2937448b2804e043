package words

import "strings"

// goesOn is the end of what is to be done about a journal that cannot be written.
const goesOn = "start the supervisor again on the same state directory: the run goes on"

// Remedy says what to do about a journal that cannot be written.
func Remedy(detail string) string {
	for _, full := range []string{"no space left on device", "disk quota exceeded"} {
		if strings.Contains(detail, full) {
			return "free space in the state directory and " + goesOn
		}
	}
	return "when that is mended " + goesOn
}
