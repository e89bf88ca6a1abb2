// What has been run so far, for those who watch a server.

export class WorkDone {
  /** Packs of scoring, or steps of generation. */
  packs = 0
  /** What was in them: tokens of packs, texts of steps. */
  used = 0
  /** What would have been in them had each been full. */
  room = 0

  add(used: number, room: number): void {
    this.packs++
    this.used += used
    this.room += Math.max(used, room)
  }
}
