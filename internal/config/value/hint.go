package value

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The hints below say what somebody most likely meant by a value that is not valid,
// as an advice such as "use 24h". They are empty where nobody knows, and never name a
// value that is not valid itself or that is too long for a message.

// durationHint returns advice for a text that is no duration.
func durationHint(s string) string {
	units := map[string]string{
		"": "s", "second": "s", "sec": "s", "s": "s", "minute": "m", "min": "m", "m": "m", "hour": "h", "hr": "h",
		"h":           "h",
		"millisecond": "ms", "msec": "ms", "ms": "ms", "microsecond": "us", "usec": "us", "us": "us",
		"nanosecond": "ns", "ns": "ns",
	}
	hours := map[string]int{"d": 24, "day": 24, "w": 7 * 24, "week": 7 * 24}
	meant := strings.Join(strings.Fields(s), "") // such as 1m 30s
	if m := regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)$`).FindStringSubmatch(meant); m != nil {
		name := strings.ToLower(m[2])
		if name != "s" && name != "ms" && name != "us" && name != "ns" {
			name = strings.TrimSuffix(name, "s")
		}
		if unit, ok := units[name]; ok {
			meant = m[1] + unit
		} else if n, err := strconv.Atoi(m[1]); err == nil && n < 10000 && hours[name] > 0 {
			meant = strconv.Itoa(n*hours[name]) + "h"
		}
	}
	if _, err := time.ParseDuration(meant); err != nil || len(s) > MaxQuoted {
		return ""
	}
	return "use " + meant
}

// sizeHint returns advice for a text that is no size.
func sizeHint(s string) string {
	plain := strings.Join(strings.Fields(s), "")
	m := regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([KkMmGgTt]?)([Ii]?)([Bb]?)$`).FindStringSubmatch(plain)
	if m == nil || len(s) > MaxQuoted {
		return ""
	}
	number, prefix := m[1], strings.ToUpper(m[2])
	decimal, binary := number+strings.Replace(prefix, "K", "k", 1)+"B", number+prefix+"iB"
	var meant []string
	switch {
	case prefix == "" && m[3] == "" && m[4] != "", plain == decimal:
		meant = []string{decimal}
	case prefix == "":
	case m[3] != "":
		meant = []string{binary}
	default:
		meant = []string{decimal, binary}
	}
	meant = slices.DeleteFunc(meant, func(size string) bool { _, err := ParseSize(size); return err != nil })
	if len(meant) == 0 {
		return ""
	}
	return "use " + strings.Join(meant, " or ")
}

// addressHint returns advice for a text that is no address.
func addressHint(s string, listener bool) string {
	for _, scheme := range []string{"http://", "https://", "grpc://", "tcp://"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return "leave out " + scheme
		}
	}
	if port, err := strconv.Atoi(s); err == nil {
		switch {
		case port < 1 || port > 65535:
			return ""
		case listener:
			return fmt.Sprintf("use :%d or 127.0.0.1:%d", port, port)
		}
		return fmt.Sprintf("use 127.0.0.1:%d", port)
	}
	ip, err := netip.ParseAddr(s)
	if isIP := err == nil && ip.Zone() == ""; len(s) <= MaxQuoted && s != "" &&
		(isIP || !strings.Contains(s, ":") && plausibleHost(s)) {
		return "add the port, as in " + net.JoinHostPort(s, defaultPort)
	}
	return ""
}

// switchHint returns advice for a text that is neither true nor false.
func switchHint(s string) string {
	switch strings.ToLower(s) {
	case "on", "yes", "y", "t", "true", "1":
		return "use true"
	case "off", "no", "n", "f", "false", "0":
		return "use false"
	}
	return ""
}
