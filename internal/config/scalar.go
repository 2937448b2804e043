package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bulkhead/internal/spelling"
)

const durationUnits = "ns, us, ms, s, m or h"

// parseDuration reads a length of time with Go's units; only 0 needs none.
func parseDuration(s string) (time.Duration, error) {
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%s is negative; a duration is 0 or more", quote(s))
	}
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, notNumber := strconv.ParseFloat(s, 64); notNumber == nil {
		return 0, fmt.Errorf("%s has no unit; %s", quote(s), cmp.Or(durationHint(s), "use "+durationUnits+", as in 1m30s"))
	}
	return 0, fmt.Errorf("%s is not a duration; %s", quote(s), cmp.Or(durationHint(s), "use "+durationUnits+", as in 1m30s"))
}

// formatDuration is Duration.String without units that are zero.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseCount reads a whole number in its one plain form: no sign, no leading
// zeros (which other YAML readers take for octal), no underscores.
func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is out of range", quote(s))
	}
	if err != nil || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%s is not a whole number", quote(s))
	}
	return n, nil
}

// parseAmount reads a number that may have a fraction: decimal digits, no sign and no
// exponent.
func parseAmount(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || s == "" || strings.Trim(s, "0123456789.") != "" || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
		return 0, fmt.Errorf("%s is not a number", quote(s))
	}
	return v, nil
}

func formatAmount(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// parseSwitch reads true or false and nothing else.
func parseSwitch(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false; %s", quote(s), cmp.Or(switchHint(s), "use true or false"))
}

// parseLevel reads the name of a log level.
func parseLevel(s string) (slog.Level, error) {
	var words []string
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if words = append(words, formatLevel(level)); s == formatLevel(level) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("%s is not valid; %suse %s", quote(s), spelling.Meant(s, words), logLevels)
}

const logLevels = "debug, info, warn or error"

func formatLevel(l slog.Level) string { return strings.ToLower(l.String()) }

// checkAddress accepts HOST:PORT. An empty host and port 0 (any free port) are
// for listeners only.
func checkAddress(listener bool) func(string) error {
	return func(s string) error {
		host, port, err := net.SplitHostPort(s)
		if err != nil || (host == "" && !listener) || !plausibleHost(host) {
			return fmt.Errorf("%s is not an address; %s", quote(s), cmp.Or(addressHint(s, listener), "use HOST:PORT, as in 127.0.0.1:7420"))
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "" {
			return fmt.Errorf("%s is the same on every link; say which, as in %s", quote(s), net.JoinHostPort(host+"%eth0", port))
		}
		lowest := 1
		if listener {
			lowest = 0
		}
		if n, err := parseCount(port); err != nil || n < lowest || n > 65535 {
			return fmt.Errorf("%s has no valid port; use %d to 65535, as in 127.0.0.1:7420", quote(s), lowest)
		}
		return nil
	}
}

// optional accepts nothing, and otherwise what check does.
func optional(check func(string) error) func(string) error {
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

// checkText accepts printable UTF-8 of lowest to highest bytes. It never repeats
// the text, which may be a secret.
func checkText(lowest, highest int) func(string) error {
	check := checkBytes(lowest, highest)
	return func(s string) error {
		if len(s) >= lowest && len(s) <= highest && !utf8.ValidString(s) {
			return errors.New("is not UTF-8 text")
		}
		return check(s)
	}
}

// checkName is the form of a client's own name, which people compare by its looks.
func checkName(s string) error {
	if strings.TrimSpace(s) != s {
		return errors.New("begins or ends with a blank, which nobody sees; leave it out")
	}
	return checkText(0, maxClientName)(s)
}

// checkBytes is checkText for a path, which may hold bytes that are no text.
func checkBytes(lowest, highest int) func(string) error {
	return func(s string) error {
		switch {
		case len(s) < lowest:
			return errors.New("is empty; give a value")
		case len(s) > highest:
			return fmt.Errorf("is %d bytes long; use at most %d", len(s), highest)
		case strings.ContainsFunc(s, unprintable):
			return errors.New("holds a line break or another control character; use printable text")
		}
		return nil
	}
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// maxQuoted is how much of a value is repeated in a message, in characters.
const maxQuoted = 60

// quote makes foreign text safe and short enough for a message of one line.
func quote(s string) string {
	s = s[:min(len(s), maxQuoted*utf8.UTFMax+1)] // bounds the conversion below
	if runes := []rune(s); len(runes) > maxQuoted {
		s = string(runes[:maxQuoted]) + "…"
	}
	return strconv.Quote(s)
}
