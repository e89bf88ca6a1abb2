// The time limit of every child process of the tests.

/**
 * Options that end a child that hangs, before mocha gives the test up (.mocharc.json): mocha cannot end a call that waits
 * for a child, and leaves other children running. The time is long enough for a machine with much else to do.
 */
export const childLimit = { timeout: 240_000, killSignal: 'SIGKILL' } as const
