// The three shapes that scoring.ts times, and how much arithmetic a LLaMA of a shape needs.
import { readFileSync } from 'node:fs'
import { peers } from './rival.ts'

export interface Shape {
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  num_key_value_heads: number
  vocab_size: number
}

export const shapes = JSON.parse(readFileSync(`${peers}shapes.json`, 'utf8')) as Record<string, Shape>

/** GFLOP of the layers' matrices for one token; a multiply-add counts two. */
export function layersGflop(shape: Shape): number {
  const { hidden_size: dim, intermediate_size: ffn } = shape
  const kv = (dim / shape.num_attention_heads) * shape.num_key_value_heads
  return (2 * shape.num_hidden_layers * (dim * (dim + 2 * kv) + dim * dim + 3 * dim * ffn)) / 1e9
}

/** GFLOP of attention (q . K and the sum over V) for a row that sees `columns` tokens. */
export function attentionGflop(shape: Shape, columns: number): number {
  return (4 * shape.num_hidden_layers * shape.hidden_size * columns) / 1e9
}

/** GFLOP of the head for one scored row. */
export function headGflop(shape: Shape): number {
  return (2 * shape.hidden_size * shape.vocab_size) / 1e9
}
