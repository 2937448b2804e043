package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	bulkheadv1 "bulkhead/proto/bulkhead/v1"
)

// quarantineFolder is where a run keeps the frames that kept killing handlers.
const quarantineFolder = "quarantine"

// poison counts handlers that died on what a session sends, as long as the session
// makes no progress: a client sends the messages after the last durable one again
// and again, so it is the same messages that kill.
type poison struct {
	after uint64 // the last durable message when the handlers died
	kills int    // 0 if none did
}

// killed notes the death of a handler and returns how many it makes.
func (p *poison) killed(durable uint64) int {
	if p.kills == 0 || p.after != durable {
		*p = poison{after: durable}
	}
	p.kills++
	return p.kills
}

// suspicious reports whether a handler's death may be the doing of its client: it broke
// the protocol with the supervisor, or it died by itself at work on a frame.
func suspicious(x *bulkheadv1.HandlerExited) bool {
	exit := x.GetExit()
	switch exit.GetClass() {
	case bulkheadv1.ExitClass_EXIT_CLASS_PROTOCOL, bulkheadv1.ExitClass_EXIT_CLASS_SANDBOX:
		return true
	case bulkheadv1.ExitClass_EXIT_CLASS_CRASH:
		return x.GetAtWork() && !sentByPerson(syscall.Signal(exit.GetSignal()))
	case bulkheadv1.ExitClass_EXIT_CLASS_OOM, bulkheadv1.ExitClass_EXIT_CLASS_HANG:
		return x.GetAtWork()
	default:
		return false
	}
}

// sentByPerson reports whether a signal is one that people send: no fault of a program
// raises it.
func sentByPerson(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	default:
		return false
	}
}

// keepFrame writes a frame into the run's quarantine and returns the file's name
// within the run directory; "" for no frame.
func keepFrame(dir, session string, frame []byte) (string, error) {
	if len(frame) == 0 {
		return "", nil
	}
	folder := filepath.Join(dir, quarantineFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("keeping the frame of a quarantined session: %w", err)
	}
	sum := sha256.Sum256(frame)
	name := filepath.Join(quarantineFolder, session+"-"+hex.EncodeToString(sum[:4])+".frame")
	if err := os.WriteFile(filepath.Join(dir, name), frame, 0o600); err != nil {
		return "", fmt.Errorf("keeping the frame of a quarantined session: %w", err)
	}
	return name, nil
}
