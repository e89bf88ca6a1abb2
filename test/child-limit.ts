// The time limit of every child process of the tests.

/**
 * A child that hangs is ended, before mocha gives the test up (.mocharc.json): mocha cannot end a call that waits for a
 * child, and leaves children that it does not wait for running. Long enough for a machine with much else to do.
 */
export const childLimit = { timeout: 240_000, killSignal: 'SIGKILL' } as const
