// The conversation that the release puts around some of its prompts.

const system =
  'A chat between a curious human and an artificial intelligence assistant. ' +
  "The assistant gives helpful, detailed, and polite answers to the human's questions."

/** The system's sentences, the prompt as the human's turn and the head of the assistant's, without a newline anywhere. */
export function wrapped(prompt: string): string {
  return `${system}### Human: ${prompt}### Assistant:`
}
