"""The command line and the terminal, the same for every command.

Each script passes its command to the `entry_point`, which turns a user's error into one sentence and an exit code.
`command_line` parses the arguments into settings, and `unknown_parameters` finds the parameter that a user may have
meant. `output` never fails and shows no credentials; `interruption` reports the work that is kept after Ctrl-C.
"""
