// Writes a checkpoint of a run: what it has learnt, and in `training/` what it needs to go on.
import type { OpenRun } from './open-run.ts'
import { fileOfParts, momentsOf, type ReadPart } from './train-checkpoint.ts'
import { optimizerFile, type TrainFolder } from './train-folder.ts'
import type { TrainState } from './train-state.ts'

/** @returns the checkpoint's path @throws OUTPUT */
export function saveStep(
  folder: TrainFolder,
  { base, target }: OpenRun,
  read: ReadPart,
  state: TrainState,
): Promise<string> {
  const moments = fileOfParts(optimizerFile, momentsOf(target.parameters), read)
  return folder.save(target.files(read), moments, state, base.config.headDim)
}
