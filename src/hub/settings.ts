// Where the Hugging Face hub is, who asks, and where its cache lies: from the variables that huggingface_hub reads.
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { shown } from '../data/shown.ts'
import { MtLlamaError } from '../errors.ts'

export interface HubSettings {
  /** The address of the hub, without a slash at the end. HF_ENDPOINT @default 'https://huggingface.co' */
  endpoint: string
  /** What proves who asks: HF_TOKEN, else the file that `hf auth login` writes. Undefined where nobody has logged in. */
  token: string | undefined
  /** The folder of downloaded repositories: HF_HUB_CACHE, else hub in HF_HOME, else ~/.cache/huggingface/hub */
  cacheDir: string
  /** Whether the cache alone is used: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. */
  offline: boolean
  /** Time in ms without a byte after which a connection counts as broken: HF_HUB_DOWNLOAD_TIMEOUT in seconds @default 30000 */
  stallMs: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws INVALID_ARGUMENT naming the variable with an unusable value; the token's value is never shown */
export async function hubSettings(env: Environment = process.env): Promise<HubSettings> {
  const home =
    folderOf(env, 'HF_HOME') ??
    join(folderOf(env, 'XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface')
  return {
    endpoint: endpointOf(env),
    token: await tokenOf(env, home),
    cacheDir: folderOf(env, 'HF_HUB_CACHE') ?? folderOf(env, 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub'),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    stallMs: stallOf(env),
  }
}

/** '' counts as unset, as a shell leaves it where somebody wanted no value. */
function folderOf(env: Environment, name: string): string | undefined {
  const text = env[name]
  if (!text) return undefined
  const home = text.replace(/^~(?=$|[\\/])/, homedir())
  return home.replace(/\$(?:(\w+)|\{(\w+)\})/g, (all, bare, braced) => env[bare ?? braced] ?? all)
}

function endpointOf(env: Environment): string {
  const text = env.HF_ENDPOINT || 'https://huggingface.co'
  const url = URL.canParse(text) ? new URL(text) : undefined
  if ((url?.protocol === 'https:' || url?.protocol === 'http:') && url.search === '' && url.hash === '')
    return text.replace(/\/+$/, '')
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `HF_ENDPOINT is ${shown(text)}; expected an address such as https://huggingface.co`,
  )
}

async function tokenOf(env: Environment, home: string): Promise<string | undefined> {
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined
  const file = folderOf(env, 'HF_TOKEN_PATH') ?? join(home, 'token')
  const [source, text] = env.HF_TOKEN
    ? ['HF_TOKEN', env.HF_TOKEN]
    : env.HUGGING_FACE_HUB_TOKEN
      ? ['HUGGING_FACE_HUB_TOKEN', env.HUGGING_FACE_HUB_TOKEN]
      : [file, await readFile(file, 'utf8').catch(() => '')]
  const token = text.trim()
  if (token === '') return undefined
  // Anything else would break the header it is sent in.
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `${source} holds blanks or characters outside ASCII; expected an access token of the hub, such as hf_...`,
  )
}

function stallOf(env: Environment): number {
  const text = env.HF_HUB_DOWNLOAD_TIMEOUT
  if (!text) return 30_000
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 86_400) return 1000 * seconds
  throw new MtLlamaError(
    'INVALID_ARGUMENT',
    `HF_HUB_DOWNLOAD_TIMEOUT is ${shown(text)}; expected a number of seconds above 0, at most 86400`,
  )
}

/** The words that huggingface_hub takes for yes. */
function isTrue(text: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(text ?? '')
}
