"""nmsd completion: the script that makes a shell complete the command."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    bash: eval "$(nmsd completion bash)". zsh: the same with zsh. fish: nmsd completion fish | source.
    """
    from click.shell_completion import get_completion_class

    from nmsd.cli.main import cli

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(cli, {}, "nmsd", "_NMSD_COMPLETE").source())
