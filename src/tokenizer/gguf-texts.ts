// The tokens of a GGUF that llama.cpp knows by their texts, whatever their types and the file's keys say.

/** Texts of tokens that end a turn or a text (llama_vocab, special_eog_ids). */
export const endTexts: ReadonlySet<string> = new Set([
  ...['<|eot_id|>', '<|im_end|>', '<|end|>', '<|return|>', '<|call|>', '<|flush|>', '<|calls|>'],
  ...['<end_of_turn>', '<|endoftext|>', '</s>', '<|eom_id|>', '<EOT>', '_<EOT>', '[EOT]', '[EOS]'],
  ...['<|end_of_text|>', '<end_of_utterance>', '<eos>', '<turn|>', '<|tool_response>'],
])

/** Texts by which a token for filling in the middle is found where the file lacks its key; the lowest id counts. */
export const fillTexts = {
  fim_pre: [
    '<|fim_prefix|>',
    '<fim-prefix>',
    '<fim_prefix>',
    '<PRE>',
    '\u2581<PRE>',
    '<|code_prefix|>',
    '<|prefix|>',
  ],
  fim_suf: [
    '<|fim_suffix|>',
    '<fim-suffix>',
    '<fim_suffix>',
    '<SUF>',
    '\u2581<SUF>',
    '<|code_suffix|>',
    '<|suffix|>',
  ],
  fim_mid: [
    '<|fim_middle|>',
    '<fim-middle>',
    '<fim_middle>',
    '<MID>',
    '\u2581<MID>',
    '<|code_middle|>',
    '<|middle|>',
  ],
  fim_pad: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'],
  fim_rep: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
  fim_sep: ['<|file_sep|>'],
} as const

/** Whether a token counts as a control token by its text: it is cut out of a text, and left out of a decoded one. */
export function isControlText(text: string): boolean {
  return endTexts.has(text) || fillers.has(text)
}

const fillers: ReadonlySet<string> = new Set(Object.values(fillTexts).flat())
