package reserve

import (
	"errors"
	"strings"
	"testing"

	"bulkhead/internal/exitstatus"
)

func TestALowLimitIsTold(t *testing.T) {
	if err := CheckDescriptors(1024, 9, 4); err != nil {
		t.Errorf("1024: %v; want nothing", err)
	}
	if err := CheckDescriptors(64, 9, 4); !errors.Is(err, exitstatus.ErrConfig) ||
		!strings.Contains(err.Error(), "9 clients need ") ||
		!strings.Contains(err.Error(), " and the limit is 64, which has room for 1; ") {
		t.Errorf("64: %v; want ErrConfig", err)
	}
	if err := CheckDescriptors(32, 9, 4); !errors.Is(err, exitstatus.ErrConfig) ||
		!strings.Contains(err.Error(), "raise it to ") {
		t.Errorf("32: %v; want ErrConfig", err)
	}
}
