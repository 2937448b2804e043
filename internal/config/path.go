package config

import (
	"fmt"
	"regexp"
)

// checkPath is check for a path, which no shell has seen: it does not begin with a home or a
// variable that only a shell would put its value in for.
func checkPath(check func(string) error) func(string) error {
	home := regexp.MustCompile(`^(~)[A-Za-z0-9_.-]*/|^(\$[A-Za-z_][A-Za-z0-9_]{0,63}|\$\{[A-Za-z_][A-Za-z0-9_]{0,63}\})(?:/|$)`)
	return func(s string) error {
		if m := home.FindStringSubmatch(s); m != nil {
			return fmt.Errorf("%s is not expanded here; use an absolute path", m[1]+m[2])
		}
		return check(s)
	}
}
