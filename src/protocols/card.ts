// Protocol card: the prompts of the MT-LLaMA model card, without a conversation around them. Fields go in as they are, so
// SST-2's space at the end of a sentence gives two. Choices are ranked; answers are generated up to the first newline.
import { strip } from '../metrics/python-text.ts'
import { copa } from '../tasks/built-in/copa.ts'
import { mlqa } from '../tasks/built-in/mlqa.ts'
import { mnli, mnliMismatched, type NliFields } from '../tasks/built-in/mnli.ts'
import { openbookqa } from '../tasks/built-in/openbookqa.ts'
import { rte } from '../tasks/built-in/rte.ts'
import { squad } from '../tasks/built-in/squad.ts'
import { sst2 } from '../tasks/built-in/sst2.ts'
import { tydiqa } from '../tasks/built-in/tydiqa.ts'
import { wic } from '../tasks/built-in/wic.ts'
import { winogrande } from '../tasks/built-in/winogrande.ts'
import { xquad } from '../tasks/built-in/xquad.ts'
import { answered } from './answering.ts'
import { protocolOf } from './protocol.ts'
import { type Choices, ranked } from './ranking.ts'
import {
  extractiveQaPrompt,
  fourChoices,
  guarantee,
  implication,
  plausibility,
  recommendation,
  reference,
  sameMeaning,
} from './wordings.ts'

const yesMaybeNo = ['Yes', 'Maybe', 'No']
const inference = (fields: NliFields): Choices => ({ prompt: implication(fields), choices: yesMaybeNo })

export const card = protocolOf('card', [
  ...[xquad, tydiqa, mlqa, squad].map(task =>
    answered(task, {
      prompt: ({ question, context }) => extractiveQaPrompt(question, context),
      answer: strip,
      maxTokens: 64,
      stop: ['\n'],
    }),
  ),
  ranked(sst2, ({ sentence }) => ({
    prompt: recommendation(sentence, 'No or Yes?'),
    choices: ['No', 'Yes'],
  })),
  ranked(openbookqa, fields => ({ prompt: fourChoices(fields), choices: fields.choices.text })),
  ranked(copa, ({ premise, question, choice1, choice2 }) => ({
    prompt: plausibility(premise, question, [choice1, choice2]),
    choices: [choice1, choice2],
  })),
  ranked(winogrande, fields => ({ prompt: reference(fields), choices: [fields.option1, fields.option2] })),
  ranked(wic, fields => ({ prompt: sameMeaning(fields), choices: ['No', 'Yes'] })),
  ranked(mnli, inference),
  ranked(mnliMismatched, inference),
  // The card prints RTE's choices so, one with a capital and one without.
  ranked(rte, fields => ({ prompt: guarantee(fields), choices: ['Yes', 'no'] })),
])
