// Hands pieces of text from where they are made to where they are read.
import type { GenerateResult } from './options.ts'

export class TextStream {
  private readonly pieces: string[] = []
  private wake: () => void = () => {}
  private ended = false

  push(piece: string): void {
    this.pieces.push(piece)
    this.wake()
  }

  end(): void {
    this.ended = true
    this.wake()
  }

  /** The pieces as they come, until the end. For one reader. */
  async *read(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const piece = this.pieces.shift()
      if (piece !== undefined) yield piece
      else if (this.ended) return
      else await new Promise<void>(resolve => (this.wake = resolve))
    }
  }
}

/** The pieces of a text while it is generated, then its result. */
export async function* piecesOf(
  text: TextStream,
  results: AsyncGenerator<GenerateResult, void, undefined>,
): AsyncGenerator<string, GenerateResult, undefined> {
  const first = results.next()
  const ended = first.catch(() => {}).then(() => text.end())
  try {
    yield* text.read()
    const { value } = await first
    return value as GenerateResult
  } finally {
    // A loop that is left early ends the generation.
    await results.return()
    await ended
  }
}
