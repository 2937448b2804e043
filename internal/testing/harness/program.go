package harness

import (
	"os"
	"syscall"
)

// WriteProgram writes a program or script and puts it at path at once.
//
// No process is forked meanwhile: a child that is forked between open(2) and close(2)
// holds the file open for writing until its own execve(2), and whoever executes the
// program in that moment gets ETXTBSY.
func WriteProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path+".new", content, 0o755); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
