// Puts the page together: one file that needs no other, and whose texts cannot run anything.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type ResultTable, resultTables } from '../evaluation/result-tables.ts'
import { type Html, html } from './html.ts'
import { legend, type NamedRun, plot } from './plot.ts'
import { style } from './style.ts'
import { differenceTable, type NamedComparison, runSection, scoreTable } from './tables.ts'

/**
 * @param compared the comparisons of runs with the first
 * @param data the PageData as scriptJson() writes it
 */
export async function page(
  runs: readonly NamedRun[],
  compared: readonly NamedComparison[],
  data: string,
): Promise<string> {
  const script = await readFile(new URL('./page/browser.js', import.meta.url), 'utf8')
  // The policy names the page's own script and style by their hashes: a text that got past the escapes would still not run.
  const policy = `default-src 'none'; script-src '${hash(script)}'; style-src '${hash(style)}'`
  const tables = resultTables(runs.map(({ results }) => results))
  const title = `Evaluation of ${runs.map(({ name }) => name).join(', ')}`
  const body = html`<body>
<a class="skip" href="#samples">Skip to the samples</a>
<header><h1>${title}</h1>
<nav aria-label="Parts of the page"><a href="#scores">Scores</a> ${compared.length > 0 && html`<a href="#differences">Differences</a> `}<a href="#runs">Runs</a> <a href="#samples">Samples</a></nav></header>
<main>
<section id="scores"><h2>Scores</h2>
<p>In percent, with 95 % intervals below them (where there is none, ± one standard error). * marks a task that was stopped early.</p>
${tables.map(table => group(table, runs))}</section>
${compared.length > 0 && differences(runs[0]!.name, compared)}<section id="runs"><h2>Runs</h2>
${runs.map(runSection)}</section>
${sampleSection()}
</main>
`
  // A string of samples is put in as it is, between tags that it cannot end.
  return [
    head(title, policy),
    body.text,
    `<script type="application/json" id="data">${data}</script>\n`,
    `<script type="module">${script}</script>\n</body>\n</html>\n`,
  ].join('')
}

/** A page without a script. @param body the body element */
export function staticPage(title: string, body: Html): string {
  return `${head(title, `default-src 'none'; style-src '${hash(style)}'`)}${body.text}</html>\n`
}

function head(title: string, policy: string): string {
  const parts = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
`
  return `${parts.text}<style>${style}</style>\n</head>\n`
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function differences(first: string, compared: readonly NamedComparison[]): Html {
  return html`<section id="differences"><h2>Differences</h2>
<p>Of the same samples; shares and their differences in percent. * marks what is beyond chance: p of McNemar below 0.05, or a 95 % interval of the
paired bootstrap without 0 where a score is not 0 or 1. Up, down: pairs whose score is higher, lower than in ${first}.</p>
${compared.map(one => differenceTable(first, one))}</section>
`
}

/** A table, and the plot of its figures. */
export function group(table: ResultTable, runs: readonly NamedRun[]): Html {
  const drawn = plot(table, runs)
  return html`<section class="group"><h3>${table.title}</h3>
${scoreTable(table, runs)}
${drawn && html`<figure>${runs.length > 1 && legend(runs)}${drawn}<figcaption>${caption(runs)}</figcaption></figure>`}</section>`
}

function caption(runs: readonly NamedRun[]): string {
  const hasTemplates = runs.some(({ results }) =>
    Object.values(results.tasks).some(({ templates }) => templates),
  )
  return `Percent; a line is a 95 % interval${hasTemplates ? ', a faint dot is one template' : ''}.`
}

function sampleSection(): Html {
  return html`<section id="samples"><h2>Samples</h2>
<noscript><p>The samples are shown by a script, which this browser does not run.</p></noscript>
<form id="filters" role="search" aria-label="Filter the samples">
<label>Run <select id="run"></select></label>
<label id="other-label">Beside it <select id="other"></select></label>
<label>Task <select id="task"></select></label>
<label>Show <select id="which"></select></label>
<label class="wide">Text <input id="text" type="search" autocomplete="off"></label>
</form>
<p id="count" role="status"></p>
<div class="browser">
<div id="list" role="listbox" tabindex="0" aria-label="Samples; arrow keys choose one, Enter goes to it"><div id="rows" role="presentation"></div></div>
<article id="sample" aria-labelledby="sample-title"><h3 id="sample-title" tabindex="-1">No sample chosen</h3><div id="sample-body"></div></article>
</div></section>`
}
