// Who may call: by a key in the Authorization header, if the server has one.
import { createHash, timingSafeEqual } from 'node:crypto'
import { HttpError } from './http-error.ts'

/** @throws 401 for a header without the key */
export function checkKey(keys: readonly string[], authorization: string | undefined): void {
  if (keys.length === 0) return
  // A key may hold spaces.
  const given = /^bearer +(.*)$/i.exec(authorization ?? '')?.[1]
  // Digests have one length, and their comparison takes one time, so that neither tells how much of a key was right.
  if (given !== undefined && keys.filter(key => isSame(key, given)).length > 0) return
  throw new HttpError(
    401,
    authorization ? 'the API key is wrong' : 'an API key is needed: Authorization: Bearer KEY',
    {
      code: 'invalid_api_key',
      headers: { 'www-authenticate': 'Bearer' },
    },
  )
}

function isSame(key: string, given: string): boolean {
  return timingSafeEqual(digest(key), digest(given))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
