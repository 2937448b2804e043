package config

import (
	"slices"
	"strings"

	"bulkhead/internal/spelling"
)

// envPrefix begins the name of every environment variable that is ours.
const envPrefix = "BULKHEAD_"

// envName returns the environment variable that sets a key.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// TokenVariable returns the environment variable that sets the token, the one setting that is a secret.
func TokenVariable() string { return envName(tokenKey) }

// ownVariables returns those that set no key: what our programs give each other, the list of
// consumers, which is refused with a reason of its own, and what our tests go by, whose
// environment the programs have that they run.
func ownVariables() []string {
	return []string{"BULKHEAD_CONSUMERS", "BULKHEAD_CHILD", "BULKHEAD_HANDOVER", "BULKHEAD_FAILPOINTS",
		"BULKHEAD_SANDBOX", "BULKHEAD_SPAWNER_APART", "BULKHEAD_CLIENT_SECRET", "BULKHEAD_FIRST_SUPERVISOR",
		"BULKHEAD_SCREENSHOTS"}
}

// testPrefix begins the name of every other variable of our tests.
const testPrefix = "BULKHEAD_TEST_"

// UnknownVariable is an environment variable that looks like a setting and is none.
type UnknownVariable struct {
	// Name is as it was found; it may hold any byte but "=" and 0.
	Name string
	// Meant is the variable that most likely was meant, or "".
	Meant string
}

// UnknownVariables lists the variables of an environment, in the form of os.Environ, that
// begin with BULKHEAD_ in any case and that no process reads, each once and in its order.
// What the other process reads is known: both may have one environment.
func UnknownVariables(env []string) []UnknownVariable {
	settings := settingVariables()
	known := append(ownVariables(), settings...)
	var unknown []UnknownVariable
	for _, entry := range env {
		name, _, ok := strings.Cut(entry, "=")
		if !ok || len(name) < len(envPrefix) || !strings.EqualFold(name[:len(envPrefix)], envPrefix) ||
			slices.Contains(known, name) || strings.HasPrefix(name, testPrefix) {
			continue
		}
		v := UnknownVariable{Name: name, Meant: meantVariable(name, settings)}
		if !slices.Contains(unknown, v) {
			unknown = append(unknown, v)
		}
	}
	return unknown
}

// settingVariables returns those that set a key of some process.
func settingVariables() []string {
	var names []string
	for _, k := range slices.Concat(ClientKeys(), SupervisorKeys(), AgentKeys()) {
		if k.Env != "" && !slices.Contains(names, k.Env) {
			names = append(names, k.Env)
		}
	}
	return names
}

// meantVariable returns the setting most like a variable, or the only one that ends with it, as
// HANDLER_POOL does with POOL; "" if there is none.
func meantVariable(name string, settings []string) string {
	rest := make([]string, len(settings)) // what all begin with is no likeness
	for i, s := range settings {
		rest[i] = s[len(envPrefix):]
	}
	own := strings.ToUpper(name[len(envPrefix):])
	meant := spelling.Nearest(own, rest)
	if meant == "" {
		var longer []string
		for _, r := range rest {
			if strings.HasSuffix(r, "_"+own) {
				longer = append(longer, r)
			}
		}
		if len(longer) == 1 {
			meant = longer[0]
		}
	}
	if address := own + "_LISTEN"; meant == "" && slices.Contains(rest, address) { // as the flag is called
		meant = address
	}
	if meant == "" {
		return ""
	}
	return envPrefix + meant
}
