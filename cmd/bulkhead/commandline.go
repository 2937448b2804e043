package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/pathname"
	"bulkhead/internal/spelling"
)

// commandLine is a command line cut into its command and what is given to it.
type commandLine struct {
	// names are the words of the command, the program's first; commands are the commands
	// that they name.
	names    []string
	commands []*cli.Command
	// words are the commands and their flags, with values, in the order given.
	words []string
	// rest are the arguments; literal are those behind "--".
	rest, literal []string
	ended         bool // by "--"
}

// readCommandLine finds the command of a command line and tells its flags from its
// arguments, which may stand among them. It returns a usageError for an unknown flag, and for
// one without its value.
func readCommandLine(root *cli.Command, args []string) (commandLine, error) {
	l := commandLine{names: args[:1], commands: []*cli.Command{root}}
	in := args[1:]
	for ; len(in) > 0; in = in[1:] {
		a, c := in[0], l.command()
		switch {
		case a == "--":
			l.literal, l.ended = in[1:], true
			return l, nil
		case len(a) > 1 && a[0] == '-':
			taken, err := l.flag(in)
			if err != nil {
				return l, err
			}
			in = in[taken-1:]
		case len(l.rest) == 0 && c.Command(a) != nil:
			l.names, l.commands = append(l.names[:len(l.names):len(l.names)], c.Command(a).Name), append(l.commands,
				c.Command(a))
			l.words = append(l.words, a)
		case takesCommand(c):
			l.literal, l.ended = in, true
			return l, nil
		default:
			l.rest = append(l.rest, a)
		}
	}
	return l, nil
}

// command returns the command of the line.
func (l *commandLine) command() *cli.Command { return l.commands[len(l.commands)-1] }

// name returns the words that call the command, such as "bulkhead supervisor start".
func (l *commandLine) name() string {
	return strings.Join(append([]string{l.commands[0].Name}, l.names[1:]...), " ")
}

// flag takes the flag that in begins with, and its value, and returns how many words these are.
func (l *commandLine) flag(in []string) (taken int, err error) {
	text := strings.TrimPrefix(strings.TrimPrefix(in[0], "-"), "-")
	name, value, joined := strings.Cut(text, "=")
	f := flagOf(l.command(), name)
	switch {
	case f == nil && len(l.rest) > 0 && takesNoArgument(l.command()):
		// Its flags are known to nobody, because the command before them is not.
		return 0, notCommand(l.command(), l.name(), l.commands[0], l.rest[0])
	case f == nil:
		return 0, usageError{fmt.Errorf("%s: no such flag; %ssee `%s --help`",
			pathname.Printable(dashed(name)), l.meant(name), l.name())}
	case joined:
		if err := valueFault(f, value); err != nil {
			return 0, usageError{fmt.Errorf("%s: %q %w; see `%s --help`", dashed(name), value, err, l.name())}
		}
		l.words = append(l.words, in[0])
		return 1, nil
	case standsAlone(f) && len(in) > 1 && isSwitchValue(in[1]):
		// The flag parser takes no such value, and would see an argument that nobody wants.
		l.words = append(l.words, in[0]+"="+in[1])
		return 2, nil
	case standsAlone(f):
		l.words = append(l.words, in[0])
		return 1, nil
	case len(in) == 1:
		return 0, usageError{fmt.Errorf("%s: its value is missing; see `%s --help`", dashed(name), l.name())}
	default:
		if err := valueFault(f, in[1]); err != nil {
			return 0, usageError{fmt.Errorf("%s: %q %w; see `%s --help`", dashed(name), in[1], err, l.name())}
		}
		l.words = append(l.words, in[0], in[1])
		return 2, nil
	}
}

// valueFault returns what is wrong with the value of a flag that is not a setting; package
// config judges those of settings.
func valueFault(f cli.Flag, value string) error {
	switch f.(type) {
	case *cli.BoolFlag:
		if !isSwitchValue(value) {
			return errors.New("is neither true nor false; use true or false")
		}
	case *cli.IntFlag:
		if _, err := strconv.Atoi(value); err != nil {
			return errors.New("is not a whole number")
		}
	case *cli.DurationFlag:
		if d, err := time.ParseDuration(value); err != nil || d <= 0 {
			return errors.New("is not a duration; use one with a unit, as in 30s")
		}
	}
	return nil
}

// meant returns the flag that an unknown one most likely means, as part of a
// sentence; "" if none is likely.
func (l *commandLine) meant(name string) string {
	var names []string
	for _, f := range l.command().Flags {
		if hidden, ok := f.(cli.VisibleFlag); ok && !hidden.IsVisible() {
			continue
		}
		for _, n := range f.Names() {
			names = append(names, dashed(n))
		}
	}
	for key, short := range shortNames() { // a key's own name instead of its flag's
		if strings.NewReplacer(".", "-", "_", "-").Replace(key) == strings.ReplaceAll(name, "_", "-") &&
			slices.Contains(names, "--"+short) {
			return "did you mean --" + short + "? "
		}
	}
	if meant := spelling.Nearest(dashed(name), names); meant != "" && len(name) > 1 {
		return "did you mean " + meant + "? "
	}
	if owner := l.ownerOf(name); owner != "" {
		return "it is one of `" + owner + "`; "
	}
	return ""
}

// ownerOf returns the words that call a command with a flag of that name, preferring one below
// this command; "" if no command has it.
func (l *commandLine) ownerOf(name string) (owner string) {
	look := func(c *cli.Command, called string) {
		if owner == "" && len(name) > 1 && flagOf(c, name) != nil {
			owner = called
		}
	}
	eachCommand(l.command(), l.name(), look)
	eachCommand(l.commands[0], l.commands[0].Name, look)
	return owner
}

// takesNoArgument reports whether a word behind a command can be nothing but one of those below it.
func takesNoArgument(c *cli.Command) bool { return len(c.Subcommands) > 0 && c.ArgsUsage == "" }

// takesCommand reports whether what follows a command's first argument is a command line of
// another program.
func takesCommand(c *cli.Command) bool { return strings.Contains(c.ArgsUsage, "COMMAND") }

// arguments returns the command line for the flag parser, which stops at the first argument:
// flags come first, and everything behind "--" is an argument.
func (l *commandLine) arguments() []string {
	out := append(slices.Clone(l.names[:1]), l.words...)
	if len(l.rest) > 0 || l.ended {
		out = append(append(out, "--"), l.rest...)
	}
	return append(out, l.literal...)
}

// eachCommand calls do for a command and all below it that are not hidden, with how each is called.
func eachCommand(c *cli.Command, called string, do func(c *cli.Command, called string)) {
	do(c, called)
	for _, sub := range c.Subcommands {
		if !sub.Hidden {
			eachCommand(sub, called+" "+sub.Name, do)
		}
	}
}

// flagOf returns the flag of a command that has a name; nil if there is none.
func flagOf(c *cli.Command, name string) cli.Flag {
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// standsAlone reports whether a flag needs no value.
func standsAlone(f cli.Flag) bool {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return true
	case *cli.GenericFlag:
		s, ok := f.Value.(*setting)
		return ok && s.isSwitch
	default:
		return false
	}
}

// isSwitchValue reports whether a word is what a switch takes.
func isSwitchValue(word string) bool { return word == "true" || word == "false" }

// dashed returns a flag with its dashes, as it is written.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
