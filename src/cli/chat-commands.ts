// What a person asks of mt-llama chat itself, by a line that begins with a slash.
import type { ChatMessage } from '../chat/chat-template.ts'
import { MtLlamaError } from '../errors.ts'
import { replaceFile, writeNewFile, writing } from '../files/output.ts'

/** The messages so far, and what they begin with. */
export class Conversation {
  messages: ChatMessage[]
  private readonly start: readonly ChatMessage[]
  /** Files that this conversation was saved in, which it may replace. */
  private readonly saved = new Set<string>()

  constructor(start: readonly ChatMessage[]) {
    this.start = start
    this.messages = [...start]
  }

  reset(): void {
    this.messages = [...this.start]
  }

  /** Writes the messages to a file, as the JSON that Model.chat() takes. @throws OUTPUT where another file has the name */
  async save(file: string): Promise<void> {
    const text = `${JSON.stringify(this.messages, null, 2)}\n`
    const write = this.saved.has(file) ? replaceFile : writeNewFile
    await writing(file, place, () => write(file, text)).catch((error: MtLlamaError) => {
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== 'EEXIST') throw error
      throw new MtLlamaError('OUTPUT', `${file}: is there already. Name another file.`, { cause: error })
    })
    this.saved.add(file)
  }
}

const place = { folder: 'file', kept: 'The conversation goes on' }

export const chatHelp = `/reset      start over
/save FILE  write the conversation to a new file, as JSON
/help       show these commands
/exit       leave, as Ctrl-D does; Ctrl-C ends an answer`

/**
 * Runs the command of a line. A line that is none is a message.
 * @returns 'message' where it is none, 'exit' where the conversation ends
 * @throws OUTPUT
 */
export async function runChatCommand(
  line: string,
  conversation: Conversation,
): Promise<'message' | 'done' | 'exit'> {
  const [, name, argument] = /^(\/\w+)\s*(.*?)\s*$/.exec(line) ?? []
  // What goes on after a command that takes nothing is meant for the model: "/help me with this".
  if (argument && name !== '/save') return 'message'
  switch (name) {
    case '/help':
      process.stderr.write(`${chatHelp}\n`)
      return 'done'
    case '/reset':
      conversation.reset()
      return 'done'
    case '/save':
      if (!argument) throw new MtLlamaError('OUTPUT', '/save needs the name of a file, as in /save chat.json')
      await conversation.save(argument)
      process.stderr.write(`saved in ${argument}\n`)
      return 'done'
    case '/exit':
      return 'exit'
    default:
      return 'message'
  }
}
