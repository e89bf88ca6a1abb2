// Compares the two lists of error codes: native/base/error.h as the addon reports it, and src/errors.ts.
import assert from 'node:assert/strict'
import { nativeErrorCodes } from '../../src/errors.ts'
import { loadAddon } from '../../src/native/addon.ts'

describe('error codes', () => {
  it('are the same on both sides of the boundary', () => {
    assert.deepEqual(loadAddon().errorCodes, [...nativeErrorCodes])
  })
})
