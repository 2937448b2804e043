package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

// completionFlag is what the script of a shell adds to a command line to ask what could come
// next.
const completionFlag = "--generate-bash-completion"

// bashCompletion makes bash complete commands and flags, and files behind them.
const bashCompletion = `_bulkhead() {
	local current="${COMP_WORDS[COMP_CWORD]}" words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
	if [[ "$current" == -* ]]; then
		words+=("$current")
	fi
	COMPREPLY=($(compgen -W "$("$1" "${words[@]}" ` + completionFlag + ` 2>/dev/null)" -- "$current"))
}
complete -o bashdefault -o default -F _bulkhead bulkhead
`

func completionCommand(stdout io.Writer) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that makes a shell complete commands and flags",
		ArgsUsage: "bash",
		Description: `In bash, put the first example into ~/.bashrc. In zsh, put these lines into ~/.zshrc:

  autoload -U +X compinit bashcompinit && compinit && bashcompinit
  source <(bulkhead completion bash)

Example:
  source <(bulkhead completion bash)`,
		OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			if ctx.NArg() != 1 || ctx.Args().First() != "bash" {
				return usageError{
					fmt.Errorf("completion takes the name of a shell, which is bash (zsh reads the same script); see "+
						"`%s --help`", commandName(ctx))}
			}
			_, err := io.WriteString(stdout, bashCompletion)
			return err
		},
	}
}
