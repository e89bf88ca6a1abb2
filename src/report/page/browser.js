// The page's own script: filters the samples, lists them, and shows the one that is chosen. Samples are text that nobody
// vouches for, so all of it goes into the page by textContent.
const { runs, tasks, samples } = JSON.parse(document.getElementById('data').textContent)
const by = id => document.getElementById(id)
const rowHeight = 52
/** Rows that are kept above and below those in sight. */
const margin = 6

/** The samples that the filters leave. */
let shown = []
/** Index in `shown` of the chosen sample; -1 while none is. */
let active = -1

// --- what a sample is worth

/** @returns {number | undefined} the sample's score in a run; undefined where the run lacks it */
function scoreOf(sample, run) {
  return sample.answers[run]?.scores?.[tasks[sample.task].metric]
}

/** Whether scores of the task are shares of what is right: others have no right and wrong. */
const isShare = tasks.map((_, task) =>
  samples.every(
    sample =>
      sample.task !== task ||
      sample.answers.every((_, run) => {
        const score = scoreOf(sample, run)
        return score === undefined || (score >= 0 && score <= 1)
      }),
  ),
)

/** @returns {'right' | 'partly' | 'wrong' | 'none'} */
function verdict(sample, run) {
  const score = scoreOf(sample, run)
  if (score === undefined || !isShare[sample.task]) return 'none'
  return score === 1 ? 'right' : score === 0 ? 'wrong' : 'partly'
}

const signs = { right: '✓', partly: '~', wrong: '✗', none: '–' }
const words = { right: 'right', partly: 'partly right', wrong: 'wrong', none: 'not judged' }

/** Above 0 where the second run is better. */
function change(sample, run, other) {
  const [before, after] = [scoreOf(sample, run), scoreOf(sample, other)]
  if (before === undefined || after === undefined || !isShare[sample.task]) return 0
  return after - before
}

const shows = [
  { name: 'all', title: () => 'all', keep: () => true },
  {
    name: 'wrong',
    title: () => 'wrong or partly right',
    keep: (sample, run) => ['wrong', 'partly'].includes(verdict(sample, run)),
  },
  { name: 'right', title: () => 'right', keep: (sample, run) => verdict(sample, run) === 'right' },
  {
    name: 'flips',
    title: () => 'flips, either way',
    keep: (sample, run, other) => change(sample, run, other) !== 0,
    needsOther: true,
  },
  {
    name: 'better',
    title: other => `better in ${runs[other].name}`,
    keep: (sample, run, other) => change(sample, run, other) > 0,
    needsOther: true,
  },
  {
    name: 'worse',
    title: other => `worse in ${runs[other].name}`,
    keep: (sample, run, other) => change(sample, run, other) < 0,
    needsOther: true,
  },
  { name: 'tied', title: () => 'ties', keep: (sample, run) => Boolean(sample.answers[run].tied) },
  {
    name: 'failed',
    title: () => 'no answer found',
    keep: (sample, run) => Boolean(sample.answers[run].failed),
  },
  {
    name: 'notFinite',
    title: () => 'NaN or infinite',
    keep: (sample, run) => sample.answers[run].prediction === null,
  },
  {
    name: 'cut',
    title: () => 'cut prompts',
    keep: (sample, run) => sample.answers[run].truncatedTokens > 0,
  },
]

// --- the filters

function fill(select, options, value) {
  select.replaceChildren(...options.map(([name, title]) => new Option(title, name)))
  if (options.some(([name]) => name === value)) select.value = value
}

/** @returns {number} -1 where no second run is chosen */
function chosenOther() {
  return by('other').value === '' ? -1 : Number(by('other').value)
}

/** Fills what depends on the first run: only runs that were asked something of the same can stand beside it. */
function fillOthers() {
  const run = Number(by('run').value)
  const others = runs.flatMap(({ name }, i) =>
    i !== run && samples.some(({ answers }) => answers[run] && answers[i]) ? [[String(i), name]] : [],
  )
  const before = by('other').value
  fill(by('other'), [['', 'none'], ...others], before)
  by('other-label').hidden = others.length === 0
  const having = tasks.flatMap(({ title }, i) =>
    samples.some(sample => sample.task === i && sample.answers[run]) ? [[String(i), title]] : [],
  )
  fill(by('task'), [['', 'all'], ...having], by('task').value)
}

function fillShows() {
  const other = chosenOther()
  const possible = shows.filter(({ needsOther }) => !needsOther || other >= 0)
  fill(
    by('which'),
    possible.map(({ name, title }) => [name, title(other)]),
    by('which').value,
  )
}

function filter() {
  const [run, other] = [Number(by('run').value), chosenOther()]
  const task = by('task').value
  const { keep } = shows.find(({ name }) => name === by('which').value)
  const text = by('text').value.toLowerCase()
  const chosen = shown[active]
  const asked = samples.filter(sample => sample.answers[run] && (task === '' || sample.task === Number(task)))
  shown = asked.filter(
    sample => keep(sample, run, other) && (text === '' || hasText(sample, run, other, text)),
  )
  active = chosen ? shown.indexOf(chosen) : -1
  by('count').textContent = countWords(asked, run, other)
  by('list').scrollTop = 0
  if (active >= 0) reveal(active)
  draw()
  showSample()
}

function hasText({ ask, answers }, run, other, text) {
  const texts = [ask.id, ask.template, ask.prompt, ...(ask.choices ?? []), goldWords(ask)]
  for (const answer of [answers[run], answers[other]])
    if (answer) texts.push(answer.generated, String(answer.prediction ?? ''))
  return texts.some(one => one?.toLowerCase().includes(text))
}

function countWords(asked, run, other) {
  const count = `${shown.length.toLocaleString('en')} of ${asked.length.toLocaleString('en')} samples`
  if (other < 0) return count
  const changes = asked.map(sample => change(sample, run, other))
  const better = changes.filter(one => one > 0).length
  const worse = changes.filter(one => one < 0).length
  return `${count}. Flips from ${runs[run].name} to ${runs[other].name}: ${better} better, ${worse} worse.`
}

// --- the list: only the rows in sight are in the page

function draw() {
  const list = by('list')
  by('rows').style.height = `${shown.length * rowHeight}px`
  const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - margin)
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + margin)
  const indices = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i)
  // Screen readers follow aria-activedescendant, which must be in the page.
  if (active >= 0 && (active < first || active >= last)) indices.push(active)
  by('rows').replaceChildren(...indices.map(option))
  if (active >= 0) list.setAttribute('aria-activedescendant', `option-${active}`)
  else list.removeAttribute('aria-activedescendant')
}

function option(i) {
  const sample = shown[i]
  const [run, other] = [Number(by('run').value), chosenOther()]
  const marks = [run, ...(other >= 0 ? [other] : [])].map(one => mark(sample, one))
  const name = [tasks[sample.task].title, sample.ask.id, sample.ask.template].filter(Boolean).join(' · ')
  const row = element('div', { class: 'option', role: 'option', id: `option-${i}` }, [
    element('div', {}, [...marks, ` ${name}`]),
    element('div', { class: 'begin', dir: 'auto' }, [sample.ask.prompt.slice(0, 200)]),
  ])
  row.setAttribute('aria-selected', String(i === active))
  row.setAttribute('aria-posinset', String(i + 1))
  row.setAttribute('aria-setsize', String(shown.length))
  row.style.transform = `translateY(${i * rowHeight}px)`
  row.addEventListener('click', () => choose(i))
  return row
}

function mark(sample, run) {
  const kind = verdict(sample, run)
  return element('span', { class: `mark ${kind}` }, [
    element('span', { 'aria-hidden': 'true' }, [signs[kind]]),
    element('span', { class: 'unseen' }, [`${words[kind]} in ${runs[run].name}, `]),
  ])
}

function choose(i) {
  active = i
  reveal(i)
  draw()
  showSample()
}

function reveal(i) {
  const list = by('list')
  const top = i * rowHeight
  if (top < list.scrollTop) list.scrollTop = top
  else if (top + rowHeight > list.scrollTop + list.clientHeight)
    list.scrollTop = top + rowHeight - list.clientHeight
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || shown.length === 0) return
  const page = Math.max(1, Math.floor(by('list').clientHeight / rowHeight) - 1)
  const moves = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page }
  const places = { Home: 0, End: shown.length - 1 }
  const target = moves[event.key] ?? places[event.key]
  if (target !== undefined) choose(Math.min(Math.max(target, 0), shown.length - 1))
  else if (event.key === 'Enter' && active >= 0) by('sample-title').focus()
  else return
  event.preventDefault()
}

// --- the chosen sample

function showSample() {
  const sample = shown[active]
  document.body.classList.toggle('chosen', sample !== undefined)
  if (!sample) {
    by('sample-title').textContent = 'No sample chosen'
    by('sample-body').replaceChildren()
    return
  }
  const { ask } = sample
  const shownRuns = [Number(by('run').value), chosenOther()].filter(one => one >= 0)
  const template = ask.template === undefined ? '' : `, template ${ask.template}`
  by('sample-title').textContent = `${tasks[sample.task].title}, sample ${ask.id}${template}`
  by('sample-body').replaceChildren(
    ...titled('Prompt', textBlock(ask.prompt)),
    ...(ask.asPrompts ? titled('What follows each choice', textBlock(ask.asPrompts.continuation)) : []),
    ...(ask.kind === 'rank' || ask.gold === undefined
      ? []
      : titled('Right answer', textBlock(goldWords(ask)))),
    ...(shownRuns.some(one => sample.answers[one]?.tokenTexts) ? [scale()] : []),
    element(
      'div',
      { class: 'sides' },
      shownRuns.map(one => side(sample, one)),
    ),
  )
}

/** What one run answered. */
function side(sample, run) {
  const answer = sample.answers[run]
  const section = element('section', {}, [])
  const heading = element('h4', {}, [`${runs[run].name}: `])
  section.append(heading)
  if (!answer) {
    heading.append('not asked')
    return section
  }
  const kind = verdict(sample, run)
  heading.append(element('span', { class: kind }, [`${signs[kind]} ${words[kind]}`]))
  if (Array.isArray(answer.logLikelihoods)) section.append(choices(sample.ask, answer))
  if (typeof answer.generated === 'string')
    section.append(
      ...titled('Generated', textBlock(answer.generated)),
      ...(answer.tokenTexts?.length > 0 ? [tokens(answer.tokenTexts, answer.tokenLogProbs)] : []),
      ...titled('As judged', judged(sample.ask, answer)),
    )
  const facts = tasks[sample.task].scores.flatMap(name =>
    name in answer.scores ? [[name, printed(answer.scores[name])]] : [],
  )
  if (typeof answer.logLikelihood === 'number') facts.push(['log-likelihood', printed(answer.logLikelihood)])
  if (typeof answer.tokens === 'number') facts.push(['tokens', String(answer.tokens)])
  if (answer.finishReason) facts.push(['ended by', answer.finishReason])
  if (answer.truncatedTokens > 0) facts.push(['cut', `${answer.truncatedTokens} tokens of the prompt`])
  if (answer.tied) facts.push(['tie', 'another choice is as likely; the first counts'])
  if (answer.failed) facts.push(['no answer', 'none was found in the text'])
  if (answer.prediction === null) facts.push(['not finite', 'the model gave NaN or an infinity'])
  section.append(
    element(
      'dl',
      {},
      facts.map(([term, text]) => element('div', {}, [element('dt', {}, [term]), element('dd', {}, [text])])),
    ),
  )
  return section
}

/** The choices with their scores; the bar is a choice's share of the likelihood of them all. One alone is not chosen among any. */
function choices(ask, answer) {
  const finite = answer.logLikelihoods.filter(value => value !== null)
  const highest = Math.max(...finite)
  const total = finite.reduce((sum, value) => sum + Math.exp(value - highest), 0)
  const golds = ask.golds ?? [ask.gold]
  const isAlone = ask.choices.length === 1
  return element(
    'ul',
    { class: 'choices' },
    ask.choices.map((text, i) => {
      const value = answer.logLikelihoods[i]
      const isChosen = !isAlone && answer.prediction === i
      const share = value === null ? 0 : Math.exp(value - highest) / total
      const scores =
        value === null
          ? 'NaN or infinite'
          : `log-likelihood ${printed(value)}, per token ${printed(value / answer.tokens[i])}${isAlone ? '' : `, share ${(100 * share).toFixed(1)} %`}`
      const alone = answer.unconditional?.[i] ?? null
      const bar = element('span', { class: 'bar' }, [])
      bar.style.width = `${100 * share}%`
      return element('li', isChosen ? { class: 'chosen' } : {}, [
        element('span', { dir: 'auto' }, [text]),
        ...(isChosen ? [element('span', { class: 'tag' }, ['chosen'])] : []),
        ...(!isAlone && golds.includes(i) ? [element('span', { class: 'tag right' }, ['right answer'])] : []),
        element('span', { class: 'scores' }, [
          alone === null ? scores : `${scores}, alone ${printed(alone)}`,
        ]),
        ...(isAlone ? [] : [element('span', { class: 'track', 'aria-hidden': 'true' }, [bar])]),
        ...(answer.tokenTexts ? [tokens(answer.tokenTexts[i], answer.tokenLogProbs[i])] : []),
      ])
    }),
  )
}

// --- the tokens of choices and of answers

/** Shades of tokens, from the likeliest: each holds from the log-probability of its share on. */
const shades = [
  { name: 'at least 50 %', from: Math.log(0.5) },
  { name: '10 %', from: Math.log(0.1) },
  { name: '1 %', from: Math.log(0.01) },
  { name: '0.1 %', from: Math.log(0.001) },
  { name: 'less', from: -Infinity },
]

/** The legend of the shades. */
function scale() {
  return element('p', { class: 'scale' }, [
    'Tokens with their log-probabilities, shaded by probability: ',
    ...shades.flatMap(({ name }, i) => [element('span', { class: `shade${i}` }, [name]), ' ']),
  ])
}

/** A choice or an answer token by token: the stronger the shade, the less likely. Numbers stand below, so that shades are not all that tells. */
function tokens(texts, logProbs) {
  return element(
    'ol',
    { class: 'tokens', dir: 'auto', 'aria-label': 'Tokens and their log-probabilities' },
    texts.map((text, i) => {
      const value = logProbs[i]
      const shade = value === null ? shades.length - 1 : shades.findIndex(({ from }) => value >= from)
      return element('li', {}, [
        element('span', { class: `token shade${shade}`, dir: 'auto' }, [visible(text)]),
        element('span', { class: 'number', dir: 'ltr' }, [
          value === null ? 'NaN' : value.toFixed(2).replace('-0.00', '0.00'),
        ]),
      ])
    }),
  )
}

/** A token's text with signs for what would not be seen: line ends, tabs, and a part of a character. */
function visible(text) {
  return text.replaceAll('\n', '↵').replaceAll('\t', '⇥') || '…'
}

function judged({ choices }, { prediction }) {
  return textBlock(
    typeof prediction === 'number' ? (choices?.[prediction] ?? `class ${prediction}`) : String(prediction),
  )
}

function goldWords({ gold, choices }) {
  if (gold === undefined) return ''
  if (typeof gold === 'number') return choices?.[gold] ?? `class ${gold}`
  if (typeof gold === 'string') return gold
  const isTexts = Array.isArray(gold) && gold.every(one => typeof one === 'string')
  return isTexts ? [...new Set(gold)].join('\n') : JSON.stringify(gold)
}

function printed(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(3)
}

function textBlock(text) {
  return element('pre', { class: 'text', dir: 'auto' }, [text])
}

function titled(title, content) {
  return [element('h4', {}, [title]), content]
}

/** An element; strings among the children become text. */
function element(name, attributes, children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

// --- the start

fill(
  by('run'),
  runs.map(({ name }, i) => [String(i), name]),
)
fillOthers()
fillShows()
let waiting
by('filters').addEventListener('submit', event => event.preventDefault())
by('filters').addEventListener('change', event => {
  if (event.target === by('run')) fillOthers()
  if (event.target === by('run') || event.target === by('other')) fillShows()
  filter()
})
by('text').addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(filter, 150)
})
let isDrawing = false
by('list').addEventListener('scroll', () => {
  if (isDrawing) return
  isDrawing = true
  requestAnimationFrame(() => {
    isDrawing = false
    draw()
  })
})
by('list').addEventListener('keydown', onKey)
addEventListener('resize', draw)
filter()
