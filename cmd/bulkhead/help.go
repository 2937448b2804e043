package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"bulkhead/internal/version"
)

// helpWidth is the longest line of a help, in characters.
const helpWidth = 100

// explain gives a command and those below it their help: the flags --help and --version, the
// command help, and the text that all three ways to ask for it show.
func explain(c *cli.Command, called string, stdout io.Writer) {
	first := called == c.Name
	c.Flags = append(c.Flags, versionFlag(stdout, !first), cli.HelpFlag)
	for _, sub := range c.Subcommands {
		explain(sub, called+" "+sub.Name, stdout)
	}
	if !c.Hidden {
		c.Subcommands = append(c.Subcommands, helpCommand(c, called, !first))
	}
	c.HideHelpCommand = true // it has one
	c.CustomHelpTemplate = literal(helpOf(c, called))
}

// literal returns a text as the template that the library wants.
func literal(text string) string { return "{{" + strconv.Quote(text) + "}}" }

// versionFlag returns --version: every command has it, and the help of the first shows it.
func versionFlag(stdout io.Writer, hidden bool) cli.Flag {
	return &cli.BoolFlag{
		Name: "version", Aliases: []string{"v"}, Usage: "print the version", Hidden: hidden,
		Action: func(_ *cli.Context, asked bool) error {
			if !asked {
				return nil
			}
			if _, err := fmt.Fprintln(stdout, version.Line("bulkhead")); err != nil {
				return err
			}
			return errShown
		},
	}
}

// helpCommand shows the help of a command, or of one below it.
func helpCommand(of *cli.Command, called string, hidden bool) *cli.Command {
	help := &cli.Command{
		Name: "help", Aliases: []string{"h"}, Usage: "show the help of a command", ArgsUsage: "[COMMAND…]",
		Hidden: hidden,
		Description: `The same as --help behind the command.

Example:
  bulkhead help supervisor start`,
		Flags: []cli.Flag{cli.HelpFlag}, HideHelpCommand: true, OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			c, called := of, called
			for _, name := range ctx.Args().Slice() {
				below := c.Command(name)
				if below == nil {
					return usageError{fmt.Errorf("%q is not a command; %ssee `%s --help`", name,
						commandMeant(c, called, rootOf(ctx.App), name), called)}
				}
				c, called = below, called+" "+below.Name
			}
			cli.HelpPrinter(ctx.App.Writer, c.CustomHelpTemplate, c)
			return nil
		},
	}
	help.CustomHelpTemplate = literal(helpOf(help, called+" help"))
	return help
}

// helpOf returns the help of a command.
func helpOf(c *cli.Command, called string) string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, "\n%s:\n", name) }
	b.WriteString("NAME:\n")
	row(&b, called+" -", c.Usage, len("   "+called+" - "))
	section("USAGE")
	fmt.Fprintf(&b, "   %s\n", synopsis(c, called))
	description, examples := cutExamples(c.Description)
	if description != "" {
		section("DESCRIPTION")
		for line := range strings.SplitSeq(filled(description), "\n") {
			b.WriteString(strings.TrimRight("   "+line, " ") + "\n")
		}
	}
	commands := slices.DeleteFunc(slices.Clone(c.Subcommands), func(c *cli.Command) bool { return c.Hidden })
	if len(commands) > 0 {
		section("COMMANDS")
		column := 0
		for _, sub := range commands {
			column = max(column, len(sub.Name)+5)
		}
		for _, sub := range commands {
			row(&b, sub.Name, sub.Usage, column)
		}
	}
	writeFlags(&b, c.Flags)
	if examples != "" {
		b.WriteString("\n" + examples + "\n")
	}
	return b.String()
}

// synopsis returns the line that shows how to call a command.
func synopsis(c *cli.Command, called string) string {
	text := called + " [FLAG…]"
	switch {
	case c.ArgsUsage != "":
		text += " " + c.ArgsUsage
	case len(c.Subcommands) > 1: // more than help
		text += " [COMMAND]"
	}
	return text
}

// cutExamples cuts a description into what it says and its examples: its last paragraph, if
// that begins with "Example", and has one command on each further line.
func cutExamples(description string) (text, examples string) {
	i := strings.LastIndex(description, "\n\n")
	if last := description[i+1:]; strings.HasPrefix(strings.TrimSpace(last), "Example") {
		title, lines, _ := strings.Cut(strings.TrimSpace(last), "\n")
		word, where, _ := strings.Cut(title, ",")
		word = strings.ToUpper(strings.TrimSuffix(word, ":"))
		if title = word + ":"; where != "" {
			title = word + "," + where
		}
		return strings.TrimSpace(description[:max(i, 0)]), title + "\n" +
			strings.ReplaceAll("\n"+lines, "\n  ", "\n   ")[1:]
	}
	return description, ""
}

// writeFlags writes the visible flags, a section for each category, in the order in which
// they come first.
func writeFlags(b *strings.Builder, flags []cli.Flag) {
	var categories []string
	of := make(map[string][]cli.DocGenerationFlag)
	column := 0
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		documented, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		category := ""
		if c, ok := f.(cli.CategorizableFlag); ok {
			category = c.GetCategory()
		}
		if of[category] == nil {
			categories = append(categories, category)
		}
		of[category] = append(of[category], documented)
		column = max(column, utf8.RuneCountInString(flagTerm(documented))+5)
	}
	for _, category := range categories {
		if category == "" {
			b.WriteString("\nOPTIONS:\n")
		} else {
			fmt.Fprintf(b, "\nOPTIONS, %s:\n", category)
		}
		for _, f := range of[category] {
			row(b, flagTerm(f), flagText(f), column)
		}
	}
}

// flagTerm returns a flag as it is written, with what stands for its value: "--output FILE, -o FILE".
func flagTerm(f cli.DocGenerationFlag) string {
	value := ""
	if f.TakesValue() {
		value = " VALUE"
		if _, rest, ok := strings.Cut(f.GetUsage(), "`"); ok {
			name, _, _ := strings.Cut(rest, "`")
			value = " " + name
		}
	}
	var terms []string
	for _, name := range f.Names() {
		terms = append(terms, dashed(name)+value)
	}
	return strings.Join(terms, ", ")
}

// flagText returns what is said of a flag, with its default.
func flagText(f cli.DocGenerationFlag) string {
	text := strings.ReplaceAll(f.GetUsage(), "`", "")
	if def := f.GetDefaultText(); def != "" && def != `""` && f.TakesValue() {
		text += " (default:" + hardSpace + strings.Trim(def, `"`) + ")"
	}
	return text
}

// row writes a term and, from a column on, what it means.
func row(b *strings.Builder, term, text string, column int) {
	fmt.Fprintf(b, "   %s", term)
	at := 3 + utf8.RuneCountInString(term)
	for _, line := range wrapped(text, helpWidth-column) {
		fmt.Fprintf(b, "%*s%s\n", max(1, column-at), "", line)
		at = 0
	}
}

// filled breaks the lines of a text anew where they are too long, a paragraph at a time;
// lines that are indented stay as they are.
func filled(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains("\n"+p, "\n ") {
			paragraphs[i] = strings.Join(wrapped(p, helpWidth-3), "\n")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// hardSpace is a space where no line is broken.
const hardSpace = "\u00a0"

// wrapped returns the words of a text on lines of at most width characters, if no word is longer.
func wrapped(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' }) {
		n := utf8.RuneCountInString(word)
		if line != "" && length+1+n > width {
			lines, line, length = append(lines, line), "", 0
		}
		if line != "" {
			line, length = line+" ", length+1
		}
		line, length = line+strings.ReplaceAll(word, hardSpace, " "), length+n
	}
	return append(lines, line)
}
