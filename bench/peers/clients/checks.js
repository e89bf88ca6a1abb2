// Runs the checks of a client against the server that MT_LLAMA_URL names, and prints how each went, a JSON line each.

export const url = process.env.MT_LLAMA_URL
/** The name of the model that is served. */
export const model = process.env.MT_LLAMA_MODEL
/** Bans SmolLM2's ends of text, as a bias of logits: a text that a client is to leave would end early by itself. */
export const noEnd = { 0: -100, 2: -100, 4: -100 }

/** @param checks by what they show; what one returns is printed beside it */
export async function run(checks) {
  for (const [what, check] of Object.entries(checks)) {
    try {
      report(what, true, await check())
    } catch (error) {
      report(what, false, `${error.name}: ${error.message}`)
    }
  }
}

export function expect(isRight, found) {
  if (!isRight) throw new Error(`found ${JSON.stringify(found)}`)
}

/** @returns the error that the promise is rejected with */
export async function failure(promise) {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('nothing failed')
}

function report(what, holds, note) {
  console.log(JSON.stringify({ what, holds, note: note ?? '' }))
}
