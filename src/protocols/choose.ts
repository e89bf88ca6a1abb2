// Chooses the protocol of a run by its name: t0 has templates to load, the others are there.
import { MtLlamaError, message } from '../errors.ts'
import { cardTasks } from '../tasks/built-in/registry.ts'
import type { AnyTask, Task } from '../tasks/task.ts'
import { type OwnTask, withOwnTasks } from './own/own.ts'
import type { Protocol } from './protocol.ts'
import { protocols } from './registry.ts'
import { loadT0, t0Tasks } from './t0.ts'

/** The names of all protocols. */
export const protocolNames: readonly string[] = [...protocols.keys(), 't0']

export interface ProtocolChoice {
  protocol: string
  /** promptsource's folder of templates, for t0 alone. */
  templatesDir?: string | undefined
  /** Names or ids of the templates that t0 asks by. @default all of the original task */
  template?: readonly string[] | undefined
}

const t0 = { kind: 'option', name: 'protocol', value: 't0' } as const
const templatesDirOption = { kind: 'option', name: 'templatesDir' } as const

/** The protocol of runs that have no built-in tasks: it has no forms of its own. */
const ownOnly: Protocol = { name: 'own', form: () => undefined }

/**
 * The tasks of a run, and a protocol that has a form for each.
 * @param builtIn undefined stands for the card's tasks
 * @param own tasks that bring their forms
 * @throws INVALID_ARGUMENT, DATA_NOT_FOUND, PROMPT_TEMPLATE
 */
export async function chooseTasks(
  choice: ProtocolChoice,
  builtIn: readonly Task[] | undefined,
  own: readonly OwnTask[],
): Promise<{ protocol: Protocol; tasks: readonly AnyTask[] }> {
  const isOwnAlone = builtIn?.length === 0 && own.length > 0
  const chosen = isOwnAlone ? { protocol: ownOnly, tasks: [] } : await chooseProtocol(choice, builtIn)
  return {
    protocol: withOwnTasks(chosen.protocol, own),
    tasks: [...chosen.tasks, ...own.map(({ task }) => task)],
  }
}

/**
 * @param tasks undefined stands for the card's tasks; t0 takes those of them whose answers are choices
 * @throws INVALID_ARGUMENT, DATA_NOT_FOUND, PROMPT_TEMPLATE
 */
async function chooseProtocol(
  { protocol, templatesDir, template }: ProtocolChoice,
  tasks: readonly Task[] | undefined,
): Promise<{ protocol: Protocol; tasks: readonly Task[] }> {
  const known = protocols.get(protocol)
  if (known) {
    if (templatesDir !== undefined || template !== undefined)
      throw new MtLlamaError(
        'INVALID_ARGUMENT',
        message`${templatesDirOption} and ${{ kind: 'option', name: 'template' }} belong to ${t0}.`,
      )
    return { protocol: known, tasks: tasks ?? cardTasks }
  }
  if (templatesDir === undefined)
    throw new MtLlamaError(
      'INVALID_ARGUMENT',
      message`${t0} needs ${templatesDirOption}, the folder promptsource/templates of a copy of promptsource.`,
    )
  const asked = tasks ?? cardTasks.filter(({ name }) => t0Tasks.includes(name))
  return { protocol: await loadT0(templatesDir, asked, template), tasks: asked }
}
