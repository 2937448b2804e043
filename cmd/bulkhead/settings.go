package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/config"
)

// shortNames returns the flags, by key, that are not named like their key.
func shortNames() map[string]string {
	return map[string]string{
		"consumer_count": "consumers",
		"http.listen":    "http",
		"gather.timeout": "gather",
	}
}

// flagName returns the flag of a key: "handler.pool" is --handler-pool.
func flagName(key string) string {
	if name, ok := shortNames()[key]; ok {
		return name
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

// settingFlags returns --config and one flag for every key that can have one.
func settingFlags(keys []config.Key) []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "YAML `FILE` with settings"}}
	for _, k := range keys {
		if k.Env == "" {
			continue
		}
		var value cli.Generic = &setting{isSwitch: k.Kind == "switch"}
		if slices.Contains(severalTimes(), k.Name) {
			value = &settings{}
		}
		flags = append(flags, &cli.GenericFlag{
			Name: flagName(k.Name), Value: value, Usage: usage(k),
			DefaultText: k.Default, Category: categoryOf(k, keys),
		})
	}
	return flags
}

// configFile returns the file given as --config; "" if none is. It refuses an empty path: a file
// was meant.
func configFile(ctx *cli.Context) (string, error) {
	path := ctx.String("config")
	if path == "" && ctx.IsSet("config") {
		return "", usageError{errors.New("--config: is empty; give the path of a YAML file")}
	}
	return path, nil
}

// usage returns the help of a key's flag.
func usage(k config.Key) string {
	return fmt.Sprintf("%s (`%s`: %s) [$%s]", strings.TrimSuffix(k.Help, "."), placeholder(k), k.Valid, k.Env)
}

// placeholder stands for a key's value in its help.
func placeholder(k config.Key) string {
	if strings.HasPrefix(k.Valid, "HOST:PORT") {
		return "ADDR"
	}
	switch k.Kind {
	case "size":
		return "SIZE"
	case "duration":
		return "DURATION"
	case "number":
		return "N"
	case "switch":
		return "BOOL"
	case "map":
		return "KEY=VALUE,…"
	default:
		return strings.ToUpper(k.Name[strings.LastIndexAny(k.Name, "._")+1:])
	}
}

// setting is a flag's value as it was written; package config reads it.
type setting struct {
	text     string
	isSwitch bool
}

func (s *setting) Set(text string) error { s.text = text; return nil }
func (s *setting) String() string        { return s.text }

// IsBoolFlag lets a switch stand alone.
func (s *setting) IsBoolFlag() bool { return s.isSwitch }

// severalTimes returns the keys whose flag may be given several times.
func severalTimes() []string { return []string{"allow", "supervisor", "peers"} }

// settings is the value of such a flag, with commas between what was given.
type settings struct{ texts []string }

func (s *settings) Set(text string) error { s.texts = append(s.texts, text); return nil }
func (s *settings) String() string        { return strings.Join(s.texts, ",") }

// overrides returns the settings given as flags.
func overrides(ctx *cli.Context, keys []config.Key) []config.Override {
	var out []config.Override
	for _, k := range keys {
		name := flagName(k.Name)
		if k.Env != "" && ctx.IsSet(name) {
			out = append(out, config.Override{Key: k.Name, Value: fmt.Sprint(ctx.Generic(name)), Origin: "--" + name})
		}
	}
	return out
}

// categoryOf returns the title under which a help lists the flag of a key; keys are all keys of
// the process.
func categoryOf(k config.Key, keys []config.Key) string {
	section, _, nested := strings.Cut(k.Name, ".")
	if nested && section != "stop_when" {
		switch section {
		case "rate":
			return "what is written"
		case "http":
			return "live page"
		case "tls":
			return "connection"
		case "heartbeat", "monitor", "progress":
			return "workers"
		case "gather":
			return "run"
		default: // log, handler, session, overload, journal, spool
			return section
		}
	}
	if slices.ContainsFunc(keys, func(other config.Key) bool { return other.Name == "consumers[]."+k.Name }) {
		return "what is written"
	}
	switch k.Name {
	case "supervisor", "name", "labels", "token", "token_file", "tokens", "connect_timeout", "listen", "peers",
		"deliver_timeout":
		return "connection"
	case "stall_after", "kill_timeout", "work_dir":
		return "workers"
	case "keep":
		return "what is written"
	default:
		return "run"
	}
}
