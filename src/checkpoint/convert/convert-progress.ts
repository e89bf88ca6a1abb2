// How far a conversion has come, kept beside its output so that another run can go on where one has ended.
import { createHash } from 'node:crypto'
import { lstat, readFile, rm } from 'node:fs/promises'
import { isRecord } from '../../data/record.ts'
import { MtLlamaError } from '../../errors.ts'
import { replaceFile } from '../../files/output.ts'
import type { Checkpoint } from '../checkpoint.ts'
import type { Plan } from './convert-huggingface.ts'

/** Whole files, and bytes of the next one, that are safe on the disk. */
export interface Position {
  file: number
  bytes: number
}

/** Names what is converted to what: equal for equal sources and settings. @param sourceState what sourceState() says */
export function conversionId({ tensors }: Checkpoint, sourceState: string, plan: Plan): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(tensors))
  hash.update(sourceState)
  for (const [name, content] of Object.entries(plan.texts)) hash.update(`\n${name}\n`).update(content)
  for (const { name, header } of plan.files) hash.update(`\n${name}\n`).update(header)
  return hash.digest('hex')
}

/** The record of one conversion: a file beside `partial`, where its output is until it is whole. */
export class ProgressRecord {
  readonly partial: string
  readonly #file: string
  readonly #id: string

  constructor(target: string, id: string) {
    this.partial = `${target}.partial`
    this.#file = `${target}.partial.json`
    this.#id = id
  }

  /**
   * Finds how far an earlier run of this conversion has come. What another conversion has left is removed.
   * @throws OUTPUT where something has the place that no conversion has put there
   */
  async find(): Promise<Position | undefined> {
    const record = await this.#read()
    const found = await lstat(this.partial).catch(() => undefined)
    if (found === undefined) return undefined
    if (record === undefined || found.isSymbolicLink())
      throw new MtLlamaError(
        'OUTPUT',
        `${this.partial}: is in the way, and no conversion has left it; remove it, or name another place`,
      )
    if (record.id === this.#id) return record.position
    await this.remove()
    return undefined
  }

  async save(position: Position): Promise<void> {
    await replaceFile(this.#file, `${JSON.stringify({ conversion: this.#id, ...position })}\n`)
  }

  /** Removes the output, and the record after it: without the record the output would be a stranger's. */
  async remove(): Promise<void> {
    await rm(this.partial, { recursive: true, force: true })
    await this.forget()
  }

  /** Removes the record alone. */
  async forget(): Promise<void> {
    await rm(this.#file, { force: true })
  }

  async #read(): Promise<{ id: string; position: Position } | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      if (!isRecord(record)) return undefined
      const { conversion, file, bytes } = record
      const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
      if (typeof conversion !== 'string' || !isCount(file) || !isCount(bytes)) return undefined
      return { id: conversion, position: { file, bytes } }
    } catch {
      return undefined
    }
  }
}
