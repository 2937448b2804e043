package version

import (
	"bytes"
	"debug/elf"
	"os"
	"strings"
)

// buildShown is how much of a build's id is shown.
const buildShown = 12

// Build returns what tells builds of one version apart, such as two of a modified working copy: a
// name of this program's content, which the linker wrote into it; "" if it has none.
func Build() string {
	// Not os.Executable: this is the program that runs, also when it has been replaced.
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer f.Close()
	return buildOf(f)
}

// buildOf reads the id of a program of Go: a note whose text has the hash of the content
// behind its last slash.
func buildOf(f *os.File) string {
	program, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	section := program.Section(".note.go.buildid")
	if section == nil {
		return ""
	}
	note, err := section.Data()
	const head = 12 // the lengths of name and text, and the kind
	if err != nil || len(note) < head {
		return ""
	}
	name, length := program.ByteOrder.Uint32(note), program.ByteOrder.Uint32(note[4:])
	from := head + (uint64(name)+3)&^3
	if from+uint64(length) > uint64(len(note)) {
		return ""
	}
	id := string(bytes.TrimRight(note[from:from+uint64(length)], "\x00"))
	id = id[strings.LastIndexByte(id, '/')+1:]
	return id[:min(len(id), buildShown)]
}
