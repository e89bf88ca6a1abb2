// Hands pieces of text from where they are made to where they are read.

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
