// Storage by S3's interface, of Amazon or of another: an object appears once all of it has arrived. Its package is loaded when
// a path asks for it.
import type { S3Client } from '@aws-sdk/client-s3'
import { MtLlamaError } from '../errors.ts'
import type { Place } from '../files/output.ts'
import type { ByteRange, Storage } from './storage.ts'

type Package = typeof import('@aws-sdk/client-s3')

/** Bytes of one request for a part of an object: what a connection that breaks makes read again. */
const readBytes = 16 * 2 ** 20

/** Bytes of the parts of a large object. S3 takes 10,000 of them, and 5 MiB at least. */
const defaultPartBytes = 64 * 2 ** 20

/** How often the package makes a request that is refused for now, waiting longer each time. */
const requestAttempts = 6

/** How often bytes of an object are asked for whose connection breaks as they come, which the package does not repeat. */
const readAttempts = 4

/** Time in ms for a connection, and for which one may be silent before it counts as broken. */
const connectMs = 10_000
const silenceMs = 120_000

interface S3Options {
  bucket: string
  /** What stands before the names of files in their keys. */
  prefix: string
  place: Place
  /** Tests have smaller ones. */
  partBytes?: number
}

/** Of s3://BUCKET/PREFIX; undefined for a path of another kind. */
export function s3Parts(path: string): { bucket: string; prefix: string } | undefined {
  const [found, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(path) ?? []
  return found === undefined ? undefined : { bucket, prefix }
}

/**
 * The AWS_ variables, and the files of the AWS tools, say where and as whom; AWS_ENDPOINT_URL names another server than Amazon's.
 * @throws STORAGE where the package is missing
 */
export async function openS3(options: S3Options): Promise<Storage> {
  const s3 = await loadPackage()
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 } = process.env
  // Other servers have no name for each bucket, and not all of them know the checksums that the package adds by itself.
  const client = new s3.S3Client({
    // Storage that many workers ask at once refuses some of them for a moment.
    maxAttempts: requestAttempts,
    requestHandler: { connectionTimeout: connectMs, socketTimeout: silenceMs },
    ...((AWS_ENDPOINT_URL || AWS_ENDPOINT_URL_S3) && {
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    }),
  })
  const { prefix } = options
  return new S3Storage(s3, client, {
    ...options,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
  })
}

async function loadPackage(): Promise<Package> {
  try {
    return await import('@aws-sdk/client-s3')
  } catch (error) {
    throw new MtLlamaError(
      'STORAGE',
      `paths that begin with s3:// need the package @aws-sdk/client-s3, which is not installed with this one: npm install @aws-sdk/client-s3@3 (${(error as Error).message})`,
      { cause: error },
    )
  }
}

class S3Storage implements Storage {
  readonly #s3: Package
  readonly #client: S3Client
  readonly #bucket: string
  readonly #prefix: string
  readonly #place: Place
  readonly #partBytes: number

  constructor(s3: Package, client: S3Client, options: S3Options) {
    this.#s3 = s3
    this.#client = client
    this.#bucket = options.bucket
    this.#prefix = options.prefix
    this.#place = options.place
    this.#partBytes = options.partBytes ?? defaultPartBytes
  }

  where(name: string): string {
    return `s3://${this.#bucket}/${this.#prefix}${name}`
  }

  async prepare(): Promise<void> {}

  async list(): Promise<string[]> {
    const names: string[] = []
    let token: string | undefined
    do {
      const page = await this.#reading('', () =>
        this.#client.send(
          new this.#s3.ListObjectsV2Command({
            ...{ Bucket: this.#bucket, Prefix: this.#prefix, Delimiter: '/' },
            ...(token !== undefined && { ContinuationToken: token }),
          }),
        ),
      )
      for (const { Key = '' } of page.Contents ?? []) names.push(Key.slice(this.#prefix.length))
      token = page.NextContinuationToken
    } while (token !== undefined)
    return names.sort()
  }

  async begun(): Promise<string[]> {
    return (await this.#uploads()).map(({ name }) => name)
  }

  async size(name: string): Promise<number | undefined> {
    try {
      const { ContentLength } = await this.#client.send(new this.#s3.HeadObjectCommand(this.#object(name)))
      return ContentLength
    } catch (error) {
      if (statusOf(error) === 404) return undefined
      throw this.#notReadable(name, error)
    }
  }

  async *read(name: string, { start, end }: ByteRange = { start: 0, end: Number.POSITIVE_INFINITY }) {
    /** Of the first answer: all that is read is of one state of the object. */
    let tag: string | undefined
    for (let at = start; at < end; ) {
      const part = await this.#readPart(name, { start: at, end: Math.min(end, at + readBytes) }, tag)
      if (!part) return
      yield part.bytes
      at += part.bytes.length
      tag = part.tag
      if (at >= part.total || part.bytes.length === 0) return
    }
  }

  async write(name: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const object = this.#object(name)
    const parts: { PartNumber: number; ETag: string | undefined }[] = []
    let id: string | undefined
    let waiting: Uint8Array[] = []
    let bytes = 0
    const take = () => {
      const Body = Buffer.concat(waiting)
      waiting = []
      bytes = 0
      return Body
    }
    const sendPart = async () => {
      const PartNumber = parts.length + 1
      const Body = take()
      const { ETag } = await this.#writing(name, async () => {
        id ??= (await this.#client.send(new this.#s3.CreateMultipartUploadCommand(object))).UploadId
        return this.#client.send(
          new this.#s3.UploadPartCommand({ ...object, UploadId: id, PartNumber, Body }),
        )
      })
      parts.push({ PartNumber, ETag })
    }
    try {
      for await (const chunk of chunks) {
        waiting.push(chunk)
        bytes += chunk.length
        if (bytes >= this.#partBytes) await sendPart()
      }
      if (id === undefined)
        return void (await this.#writing(name, () =>
          this.#client.send(new this.#s3.PutObjectCommand({ ...object, Body: take() })),
        ))
      if (bytes > 0) await sendPart()
      await this.#complete(name, id, parts)
    } catch (error) {
      if (id !== undefined) await this.#abort(name, id).catch(() => {})
      throw error
    }
  }

  async sweep(isSwept: (name: string) => boolean): Promise<void> {
    // Where that is not permitted, or unknown to the server, they stay: a join that is done is not to fail by what is left over.
    const uploads = await this.#uploads().catch(() => [])
    for (const { name, id } of uploads) if (isSwept(name)) await this.#abort(name, id).catch(() => {})
  }

  async #complete(name: string, id: string, Parts: { PartNumber: number; ETag: string | undefined }[]) {
    await this.#writing(name, async () => {
      try {
        await this.#client.send(
          new this.#s3.CompleteMultipartUploadCommand({
            ...{ ...this.#object(name), UploadId: id },
            MultipartUpload: { Parts },
          }),
        )
      } catch (error) {
        // Swept meanwhile, after another process has written the same object.
        if ((error as Error).name !== 'NoSuchUpload' || (await this.size(name)) === undefined) throw error
      }
    })
  }

  /** @returns undefined where the object has no byte there */
  async #readPart(name: string, { start, end }: ByteRange, tag: string | undefined) {
    for (let attempt = 1; ; attempt++)
      try {
        const { Body, ETag, ContentRange } = await this.#client.send(
          new this.#s3.GetObjectCommand({
            ...{ ...this.#object(name), Range: `bytes=${start}-${end - 1}` },
            ...(tag !== undefined && { IfMatch: tag }),
          }),
        )
        const bytes = await Body!.transformToByteArray()
        return { bytes, tag: ETag, total: Number(/\/(\d+)$/.exec(ContentRange ?? '')?.[1] ?? bytes.length) }
      } catch (error) {
        const status = statusOf(error)
        if (status === 416) return undefined
        if (status === 412)
          throw new MtLlamaError('DATA_INVALID', `${this.where(name)}: has changed while it was read.`)
        // An answer with a status is one that the package has asked for often enough.
        if ((status !== undefined && status !== 200 && status !== 206) || attempt === readAttempts)
          throw this.#notReadable(name, error)
      }
  }

  async #uploads(): Promise<{ name: string; id: string }[]> {
    const found: { name: string; id: string }[] = []
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}
    while (marker) {
      const page: import('@aws-sdk/client-s3').ListMultipartUploadsCommandOutput = await this.#reading(
        '',
        () =>
          this.#client.send(
            new this.#s3.ListMultipartUploadsCommand({
              ...{ Bucket: this.#bucket, Prefix: this.#prefix },
              ...marker,
            }),
          ),
      )
      for (const { Key = '', UploadId = '' } of page.Uploads ?? [])
        found.push({ name: Key.slice(this.#prefix.length), id: UploadId })
      marker = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker ?? '', UploadIdMarker: page.NextUploadIdMarker ?? '' }
        : undefined
    }
    return found
  }

  async #abort(name: string, UploadId: string): Promise<void> {
    await this.#client.send(new this.#s3.AbortMultipartUploadCommand({ ...this.#object(name), UploadId }))
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: `${this.#prefix}${name}` }
  }

  async #reading<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action()
    } catch (error) {
      throw this.#notReadable(name, error)
    }
  }

  #notReadable(name: string, error: unknown): MtLlamaError {
    return new MtLlamaError('DATA_NOT_FOUND', `${this.where(name)}: cannot be read (${reasonOf(error)}).`, {
      cause: error,
    })
  }

  async #writing<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action()
    } catch (error) {
      if (error instanceof MtLlamaError) throw error
      const { folder, kept } = this.#place
      throw new MtLlamaError(
        'OUTPUT',
        `${this.where(name)}: cannot be written (${reasonOf(error)}). ${kept}; mend that, or name another ${folder}.`,
        { cause: error },
      )
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error
  return message === '' || message === 'UnknownError'
    ? `${name}, status ${statusOf(error)}`
    : `${name}: ${message}`
}
