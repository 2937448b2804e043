package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/config"
)

// shortNames are the flags that are not named like their key.
func shortNames() map[string]string {
	return map[string]string{
		"consumer_count": "consumers",
		"http.listen":    "http",
	}
}

// flagName is the flag of a key: "handler.pool" is --handler-pool.
func flagName(key string) string {
	if name, ok := shortNames()[key]; ok {
		return name
	}
	return strings.NewReplacer(".", "-", "_", "-").Replace(key)
}

// settingFlags are --config and one flag for every key that can have one.
func settingFlags(keys []config.Key) []cli.Flag {
	flags := []cli.Flag{&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "YAML `FILE` with settings"}}
	for _, k := range keys {
		if k.Env == "" {
			continue
		}
		flags = append(flags, &cli.GenericFlag{
			Name: flagName(k.Name), Value: &setting{isSwitch: k.Kind == "switch"}, Usage: usage(k), DefaultText: k.Default, Category: categoryOf(k, keys),
		})
	}
	return flags
}

// configFile is the file given as --config; "" if none is. An empty path is
// refused: somebody meant a file.
func configFile(ctx *cli.Context) (string, error) {
	path := ctx.String("config")
	if path == "" && ctx.IsSet("config") {
		return "", usageError{errors.New("--config: is empty; give the path of a YAML file")}
	}
	return path, nil
}

// usage is the help of a key's flag.
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

// overrides are the settings given as flags.
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
