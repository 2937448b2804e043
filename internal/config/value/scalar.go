package value

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bulkhead/internal/plaintext"
	"bulkhead/internal/spelling"
)

const durationUnits = "ns, us, ms, s, m or h"

// ParseDuration reads a length of time with Go's units; only 0 needs none.
func ParseDuration(s string) (time.Duration, error) {
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%s is negative; a duration is 0 or more", Quote(s))
	}
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, notNumber := strconv.ParseFloat(s, 64); notNumber == nil {
		return 0, fmt.Errorf("%s has no unit; %s", Quote(s),
			cmp.Or(durationHint(s), "use "+durationUnits+", as in 1m30s"))
	}
	return 0, fmt.Errorf("%s is not a duration; %s", Quote(s),
		cmp.Or(durationHint(s), "use "+durationUnits+", as in 1m30s"))
}

// ParseCount reads a whole number in its one plain form: no sign, no leading
// zeros (which other YAML readers take for octal), no underscores.
func ParseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is out of range", Quote(s))
	}
	if err != nil || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%s is not a whole number", Quote(s))
	}
	return n, nil
}

// ParseAmount reads a number that may have a fraction: decimal digits, no sign and no
// exponent.
func ParseAmount(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || s == "" || strings.Trim(s, "0123456789.") != "" || strings.HasPrefix(s, ".") ||
		strings.HasSuffix(s, ".") {
		return 0, fmt.Errorf("%s is not a number", Quote(s))
	}
	return v, nil
}

// ParseSwitch reads true or false and nothing else.
func ParseSwitch(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false; %s", Quote(s), cmp.Or(switchHint(s), "use true or false"))
}

// ParseLevel reads the name of a log level.
func ParseLevel(s string) (slog.Level, error) {
	var words []string
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if words = append(words, formatLevel(level)); s == formatLevel(level) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("%s is not valid; %suse %s", Quote(s), spelling.Meant(s, words), ValidLevels)
}

// ValidLevels says what a log level can be, in words.
const ValidLevels = "debug, info, warn or error"

func formatLevel(l slog.Level) string { return strings.ToLower(l.String()) }

// DefaultAddress is where a supervisor listens, and clients look for it, if nothing else is said.
const DefaultAddress = "127.0.0.1:" + defaultPort

const defaultPort = "7420"

// CheckAddress accepts HOST:PORT. An empty host and port 0 (any free port) are
// for listeners only.
func CheckAddress(listener bool) func(string) error {
	return func(s string) error {
		host, port, err := net.SplitHostPort(s)
		if err != nil || (host == "" && !listener) || !plausibleHost(host) {
			return fmt.Errorf("%s is not an address; %s", Quote(s),
				cmp.Or(addressHint(s, listener), "use HOST:PORT, as in "+DefaultAddress))
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "" {
			return fmt.Errorf("%s is the same on every link; say which, as in %s", Quote(s),
				net.JoinHostPort(host+"%eth0", port))
		}
		lowest := 1
		if listener {
			lowest = 0
		}
		if n, err := ParseCount(port); err != nil || n < lowest || n > 65535 {
			return fmt.Errorf("%s has no valid port; use %d to 65535, as in %s", Quote(s), lowest, DefaultAddress)
		}
		return nil
	}
}

// Optional accepts nothing, and otherwise what check does.
func Optional(check func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	}
}

// plausibleHost reports whether a host could be an IP address or a host name.
func plausibleHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return strings.IndexFunc(host, func(r rune) bool {
		return r >= utf8.RuneSelf || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._", r))
	}) < 0
}

// CheckText accepts printable UTF-8 of lowest to highest bytes.
func CheckText(lowest, highest int) func(string) error {
	return func(s string) error { return plaintext.Check(s, lowest, highest) }
}

// CheckBytes does what CheckText does for a path, which may hold bytes that are no text.
func CheckBytes(lowest, highest int) func(string) error {
	return func(s string) error { return plaintext.CheckBytes(s, lowest, highest) }
}

// Unprintable reports whether a message must not show r as it is.
func Unprintable(r rune) bool { return !unicode.IsPrint(r) }

// MaxQuoted is how much of a value is repeated in a message, in characters.
const MaxQuoted = plaintext.MaxQuoted

// Quote returns a value as messages repeat it.
func Quote(s string) string { return plaintext.Quote(s) }

// CheckPath returns a check like check for a path, which no shell has seen: it does not begin with a home or
// a variable that only a shell would put its value in for.
func CheckPath(check func(string) error) func(string) error {
	home := regexp.MustCompile(
		`^(~)[A-Za-z0-9_.-]*/|^(\$[A-Za-z_][A-Za-z0-9_]{0,63}|\$\{[A-Za-z_][A-Za-z0-9_]{0,63}\})(?:/|$)`)
	return func(s string) error {
		if m := home.FindStringSubmatch(s); m != nil {
			return fmt.Errorf("%s is not expanded here; use an absolute path", m[1]+m[2])
		}
		return check(s)
	}
}
