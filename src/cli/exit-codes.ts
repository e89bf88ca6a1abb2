// What the program's exit code means; printed at the end of every --help.

export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  gate: 100,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitCodeHelp = `Exit codes:
  0    done
  1    failed; the last line on stderr says why
  2    the command line is wrong
  100  a gate of eval failed; results are saved as ever
  130  stopped by Ctrl-C (143: by SIGTERM); what was done is saved or written`
