package supervisor

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"bulkhead/internal/config"
	"bulkhead/internal/exitstatus"
)

func TestALowLimitIsTold(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Supervisor: config.Supervisor{Clients: config.Clients{Count: 9}, Handler: config.Handler{Pool: 4}}, Logger: slog.New(slog.NewTextHandler(&out, nil))}
	if err := cfg.checkDescriptors(1024); err != nil || out.Len() != 0 {
		t.Errorf("1024: %v, logged %q; want nothing", err, out.String())
	}
	if err := cfg.checkDescriptors(64); !errors.Is(err, exitstatus.ErrConfig) || !strings.Contains(err.Error(), "9 clients need ") || !strings.Contains(err.Error(), " and the limit is 64, which has room for 1; ") {
		t.Errorf("64: %v, logged %q; want a warning", err, out.String())
	}
	if err := cfg.checkDescriptors(32); !errors.Is(err, exitstatus.ErrConfig) || !strings.Contains(err.Error(), "raise it to ") {
		t.Errorf("32: %v; want ErrConfig", err)
	}
}
